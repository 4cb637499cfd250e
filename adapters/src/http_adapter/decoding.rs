//! Another language's stream, read into neutral events.

use std::collections::VecDeque;

use bytes::Bytes;
use isthmus_inference::answer::{ChatAnswer, FinishReason};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::Part;
use isthmus_inference::stream::Event;

use crate::adapter::Piece;
use crate::dialect::{StreamDecoder, Watch};
use crate::dialects::broken::cut;
use crate::free_text::StandIns;

/// Watches a stream by decoding it.
pub(super) struct Decoding {
    decoder: Box<dyn StreamDecoder>,
    format: FormatTool,
    stand_ins: StandIns,
    /// Tokens of the request, roughly, for an answer whose input nobody counted.
    asked: u64,
    events: Vec<Event>,
    pieces: VecDeque<Piece>,
    counted: bool,
    over: bool,
}

/// Turns the call that stands for an answer's format into the text that it means.
struct FormatTool {
    name: Option<&'static str>,
    /// The calls that are none: by choice and index.
    calls: Vec<(u32, u32)>,
}

// === impl Decoding ===

impl Decoding {
    pub(super) fn new(
        decoder: Box<dyn StreamDecoder>,
        format_tool: Option<&'static str>,
        stand_ins: StandIns,
        asked: u64,
    ) -> Self {
        Self {
            decoder,
            format: FormatTool { name: format_tool, calls: vec![] },
            stand_ins,
            asked,
            events: Vec::new(),
            pieces: VecDeque::new(),
            counted: false,
            over: false,
        }
    }

    fn take_in(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        for mut event in self.events.drain(..) {
            if let Event::Usage(usage) = &mut event {
                self.counted = true;
                *usage = usage.with_asked(self.asked);
            }
            if let Some(event) = self.format.translated(event) {
                self.stand_ins.tell(event, |event| self.pieces.push_back(Piece::Event(event)));
            }
        }
        if outcome.is_ok() && self.decoder.is_over() && !self.over {
            self.over = true;
            if !self.counted {
                return Err(Failure::new(Kind::Internal, "a stream ended without its usage"));
            }
            self.pieces.push_back(Piece::Done { event: None });
        }
        self.over |= outcome.is_err();
        outcome
    }
}

impl Watch for Decoding {
    fn push(&mut self, read: Bytes) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let outcome = self.decoder.push(read, &mut self.events);
        self.take_in(outcome)
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let outcome = self.decoder.end(&mut self.events);
        self.take_in(outcome)?;
        if self.over {
            return Ok(());
        }
        self.over = true;
        Err(cut())
    }

    fn next_piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

// === impl FormatTool ===

impl FormatTool {
    /// The event as the caller is to see it; `None` if he need not.
    fn translated(&mut self, event: Event) -> Option<Event> {
        let Some(name) = self.name else { return Some(event) };
        match event {
            Event::ToolCallStart { choice, index, call } if call.name == name => {
                self.calls.push((choice, index));
                None
            }
            Event::ToolCallArguments { choice, index, text } if self.stands(choice, index) => {
                Some(Event::Text { choice, text, logprobs: vec![] })
            }
            Event::Finish { choice, reason: FinishReason::ToolCalls, stop_sequence } => {
                let reason = if self.calls.iter().any(|(of, _)| *of == choice) {
                    FinishReason::Stop
                } else {
                    FinishReason::ToolCalls
                };
                Some(Event::Finish { choice, reason, stop_sequence })
            }
            other => Some(other),
        }
    }

    fn stands(&self, choice: u32, index: u32) -> bool {
        self.calls.contains(&(choice, index))
    }
}

/// Turns the call that stands for a whole answer's format into the text that it means.
pub(super) fn unwrap_format(answer: &mut ChatAnswer, format_tool: Option<&'static str>) {
    let Some(name) = format_tool else { return };
    for choice in &mut answer.choices {
        let mut unwrapped = false;
        for part in &mut choice.content {
            if let Part::ToolCall(call) = part
                && call.name == name
            {
                *part = Part::Text(std::mem::take(&mut call.arguments));
                unwrapped = true;
            }
        }
        if unwrapped && choice.finish == Some(FinishReason::ToolCalls) {
            choice.finish = Some(FinishReason::Stop);
        }
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::part::ToolCall;
    use isthmus_inference::stream::Fold;
    use isthmus_inference::usage::Usage;

    use super::*;

    /// Says the same events for each read.
    struct Scripted(Vec<Event>, bool);

    impl StreamDecoder for Scripted {
        fn push(&mut self, _read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
            self.1 = self.0.iter().any(|event| matches!(event, Event::Usage(_)));
            events.append(&mut self.0);
            Ok(())
        }

        fn end(&mut self, _events: &mut Vec<Event>) -> Result<(), Failure> {
            Ok(())
        }

        fn is_over(&self) -> bool {
            self.1
        }
    }

    fn decoding(events: Vec<Event>, format_tool: Option<&'static str>, asked: u64) -> Decoding {
        Decoding::new(Box::new(Scripted(events, false)), format_tool, StandIns::default(), asked)
    }

    fn call(index: u32, name: &str) -> [Event; 2] {
        let call = ToolCall { id: "c".into(), name: name.into(), ..ToolCall::default() };
        [
            Event::ToolCallStart { choice: 0, index, call },
            Event::ToolCallArguments { choice: 0, index, text: "{}".into() },
        ]
    }

    fn finish() -> Event {
        Event::Finish { choice: 0, reason: FinishReason::ToolCalls, stop_sequence: None }
    }

    #[test]
    fn the_call_that_stands_for_a_format_is_text_whole_and_streamed() {
        for (name, text, finish_reason) in
            [("answer", "{}", FinishReason::Stop), ("other", "", FinishReason::ToolCalls)]
        {
            let mut events = call(0, name).to_vec();
            events.extend([finish(), Event::Usage(Usage::default())]);
            let mut fold = Fold::default();
            events.iter().cloned().for_each(|event| fold.push(event));
            let mut whole = fold.finish("m".into()).unwrap();
            unwrap_format(&mut whole, Some("answer"));

            let mut decoding = decoding(events, Some("answer"), 0);
            decoding.push(Bytes::new()).unwrap();
            let mut fold = Fold::default();
            while let Some(Piece::Event(event)) = decoding.next_piece() {
                fold.push(event);
            }
            for answer in [whole, fold.finish("m".into()).unwrap()] {
                let choice = &answer.choices[0];
                assert_eq!((choice.text().as_str(), choice.finish), (text, Some(finish_reason)));
            }
        }
    }

    #[test]
    fn a_stream_without_an_end_is_cut() {
        let mut decoding = decoding(call(0, "f").to_vec(), None, 0);
        decoding.push(Bytes::new()).unwrap();
        assert_eq!(decoding.end().unwrap_err().kind, Kind::Malformed);
        assert!(matches!(decoding.next_piece(), Some(Piece::Event(_))), "what came is not lost");
    }

    #[test]
    fn what_nobody_counted_is_estimated_on_both_sides() {
        let usage = Event::Usage(Usage::of_answer(9));
        let mut decoding = decoding(vec![usage], None, 40);
        decoding.push(Bytes::new()).unwrap();
        let Some(Piece::Event(Event::Usage(usage))) = decoding.next_piece() else { panic!() };
        assert_eq!((usage.input(), usage.output()), (40, 3));
    }
}
