//! Why an answer ended, both ways (the vendor's SDK, `StopReason`).

use isthmus_inference::answer::FinishReason;

/// The vendor's words. The first of two for a reason is the one that is written.
const WORDS: [(&str, FinishReason); 8] = [
    ("end_turn", FinishReason::Stop),
    ("max_tokens", FinishReason::Length),
    ("stop_sequence", FinishReason::StopSequence),
    ("tool_use", FinishReason::ToolCalls),
    ("pause_turn", FinishReason::Pause),
    ("refusal", FinishReason::Refusal),
    ("model_context_window_exceeded", FinishReason::ContextLength),
    // Context management may end an answer with a summary, for the caller to go on from.
    ("compaction", FinishReason::Pause),
];

/// The reason of a word; one that is new is the plain end that it most likely is.
pub(super) fn of_word(word: &str) -> FinishReason {
    WORDS.iter().find(|(known, _)| *known == word).map_or(FinishReason::Stop, |(_, reason)| *reason)
}

/// The word for a reason.
pub(super) fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::ContentFilter => "refusal",
        // The vendor has no word for it, and its clients take any. A stream ends as an error instead.
        FinishReason::Failed => "error",
        other => {
            WORDS.iter().find(|(_, known)| *known == other).map_or("end_turn", |known| known.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_both_ways() {
        for (text, reason) in &WORDS[..7] {
            assert_eq!((of_word(text), word(*reason)), (*reason, *text));
        }
        assert_eq!(of_word("something_new"), FinishReason::Stop);
    }
}
