//! One answer on its way out: tokens in, events out.
//!
//! Tokens become characters, characters pass the stop texts, what passes is searched for calls.
//! Log-probabilities travel beside their text: a token that a stop text swallows takes its own
//! along, and one whose text is held back waits with it.

use std::collections::VecDeque;

use isthmus_inference::answer::{FinishReason, TokenLogprob};
use isthmus_inference::part::ToolCall;
use isthmus_inference::stream::Event;

use super::random::Random;
use super::text::{Characters, Stops};
use super::tools::{CallFinder, Spoken};

/// Makes one answer's events.
pub(crate) struct Answer {
    choice: u32,
    characters: Characters,
    stops: Stops,
    calls: Option<Calls>,
    /// Log-probabilities whose text is not out yet.
    held: VecDeque<Held>,
    /// Bytes of text so far: that came in, and that went out.
    received: usize,
    released: usize,
}

struct Calls {
    finder: CallFinder,
    count: u32,
    ids: Random,
}

struct Held {
    begin: usize,
    end: usize,
    logprob: TokenLogprob,
}

// === impl Answer ===

impl Answer {
    /// An answer that ends before any of these texts, and is searched for calls if wanted.
    pub(crate) fn new(choice: u32, stops: &[String], finds_calls: bool) -> Self {
        let calls = || Calls { finder: CallFinder::default(), count: 0, ids: Random::arbitrary() };
        Self {
            choice,
            characters: Characters::default(),
            stops: Stops::new(stops),
            calls: finds_calls.then(calls),
            held: VecDeque::new(),
            received: 0,
            released: 0,
        }
    }

    /// Text that stands before the answer: an echo of the prompt.
    pub(crate) fn preface(&self, text: String, logprobs: Vec<TokenLogprob>) -> Event {
        Event::Text { choice: self.choice, text, logprobs }
    }

    /// Takes in a token; gives what may be shown now, and whether a stop text is complete.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        logprob: Option<TokenLogprob>,
    ) -> (Vec<Event>, bool) {
        let text = self.characters.push(bytes);
        let begin = self.received;
        self.received += text.len();
        self.held.extend(logprob.map(|logprob| Held { begin, end: self.received, logprob }));
        let released = self.stops.push(&text);
        let stopped = released.stopped;
        (self.release(&released.text, stopped), stopped)
    }

    /// Ends the answer. A character that lacks its end is left out, for it was never written.
    pub(crate) fn finish(&mut self, reason: FinishReason) -> Vec<Event> {
        let text = self.stops.flush();
        let mut events = self.release(&text, true);
        let rest = self.calls.as_mut().and_then(|calls| calls.finder.flush());
        events.extend(rest.into_iter().flat_map(|spoken| self.events_of(spoken)));
        let called = self.calls.as_ref().is_some_and(|calls| calls.count > 0);
        let reason = match reason {
            FinishReason::Stop if called => FinishReason::ToolCalls,
            reason => reason,
        };
        events.push(Event::Finish { choice: self.choice, reason, stop_sequence: None });
        events
    }

    /// Lets text out, and with it the log-probabilities that it covers; at the answer's `end` also
    /// those that it covers in part.
    fn release(&mut self, text: &str, end: bool) -> Vec<Event> {
        self.released += text.len();
        let covered =
            |held: &&Held| held.end <= self.released || (end && held.begin < self.released);
        let count = self.held.iter().take_while(covered).count();
        let mut logprobs: Vec<_> = self.held.drain(..count).map(|held| held.logprob).collect();
        if end {
            self.held.clear();
        }
        let mut events = self.spoken(text);
        match events.first_mut() {
            Some(Event::Text { logprobs: place, .. }) => place.append(&mut logprobs),
            _ if logprobs.is_empty() => {}
            _ => events.insert(0, self.preface(String::new(), logprobs)),
        }
        events
    }

    fn spoken(&mut self, text: &str) -> Vec<Event> {
        let spoken = match &mut self.calls {
            _ if text.is_empty() => vec![],
            Some(calls) => calls.finder.push(text),
            None => vec![Spoken::Text(text.to_owned())],
        };
        spoken.into_iter().flat_map(|spoken| self.events_of(spoken)).collect()
    }

    fn events_of(&mut self, spoken: Spoken) -> Vec<Event> {
        let choice = self.choice;
        match (spoken, &mut self.calls) {
            (Spoken::Call { name, arguments }, Some(calls)) => {
                let (index, id) = (calls.count, format!("call_{}", calls.ids.letters(24)));
                calls.count += 1;
                let call = ToolCall { id, name, ..ToolCall::default() };
                let start = Event::ToolCallStart { choice, index, call };
                vec![start, Event::ToolCallArguments { choice, index, text: arguments }]
            }
            (Spoken::Text(text), _) => vec![Event::Text { choice, text, logprobs: vec![] }],
            // Only a finder makes calls.
            (Spoken::Call { .. }, None) => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logprob(bytes: &[u8]) -> TokenLogprob {
        TokenLogprob { bytes: bytes.to_vec(), logprob: -1.0, top: vec![] }
    }

    /// Pushes tokens until a stop; the text shown and the tokens whose log-probabilities came.
    fn shown(mut answer: Answer, tokens: &[&[u8]]) -> (String, Vec<Vec<u8>>, FinishReason) {
        let mut events = Vec::new();
        for token in tokens {
            let (more, stopped) = answer.push(token, Some(logprob(token)));
            events.extend(more);
            if stopped {
                break;
            }
        }
        events.extend(answer.finish(FinishReason::Stop));
        let (mut shown, mut covered, mut finish) = (String::new(), vec![], FinishReason::Stop);
        for event in events {
            match event {
                Event::Text { text, logprobs, .. } => {
                    shown.push_str(&text);
                    covered.extend(logprobs.into_iter().map(|logprob| logprob.bytes));
                }
                Event::ToolCallStart { call, .. } => shown += &format!("[{}", call.name),
                Event::ToolCallArguments { text, .. } => shown += &format!("({text})]"),
                Event::Finish { reason, .. } => finish = reason,
                other => panic!("unexpected {other:?}"),
            }
        }
        (shown, covered, finish)
    }

    #[test]
    fn logprobs_come_with_their_text() {
        let answer = Answer::new(0, &["STOP".into()], false);
        let (text, covered, finish) = shown(answer, &[b"a", b"S", b"b", b"c ST", b"O", b"P", b"d"]);
        assert_eq!((text.as_str(), finish), ("aSbc ", FinishReason::Stop));
        let expected: [&[u8]; 4] = [b"a", b"S", b"b", b"c ST"];
        assert_eq!(covered, expected);
    }

    #[test]
    fn every_token_of_a_character_is_covered() {
        let answer = Answer::new(0, &[], false);
        let [a, b, c] = "€".as_bytes() else { panic!("not three bytes") };
        let (text, covered, _) = shown(answer, &[&[*a], &[*b], &[*c], b"!"]);
        assert_eq!((text.as_str(), covered.len()), ("€!", 4));
    }

    #[test]
    fn half_a_character_at_the_end_is_left_out() {
        let (text, ..) = shown(Answer::new(0, &[], false), &[b"a\xe2\x82"]);
        assert_eq!(text, "a");
    }

    #[test]
    fn calls_become_events_and_name_the_finish() {
        let tokens: [&[u8]; 3] =
            [b"Yes. <tool_call>{\"name\": \"f\", ", b"\"arguments\": {}}", b"</tool_call>"];
        let (text, covered, finish) = shown(Answer::new(0, &[], true), &tokens);
        assert_eq!((text.as_str(), finish), ("Yes. [f({})]", FinishReason::ToolCalls));
        assert_eq!(covered.len(), 3);
    }
}
