//! A stream that is nothing but text, without any framing: its end is the connection's clean end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Usage;

use super::answer::ending;
use crate::adapter::Piece;

/// Turns chunks of text, cut anyhow, into pieces of an answer.
pub struct TextPieces {
    /// `None` once nothing more is wanted.
    chunks: Option<BoxStream<'static, Result<Bytes, Failure>>>,
    ready: VecDeque<Piece>,
    /// The beginning of a character whose rest is still to come: at most three bytes.
    partial: Vec<u8>,
    /// Tokens of the request, roughly,
    asked: u64,
    /// and bytes of the answer so far.
    answered: usize,
}

/// The longest answer that is gathered for a caller who wants it whole, in bytes.
const LONGEST_ANSWER: usize = 16 << 20;

// === impl TextPieces ===

impl TextPieces {
    /// The pieces of an answer to a request of about `asked` tokens.
    pub fn new(chunks: BoxStream<'static, Result<Bytes, Failure>>, asked: u64) -> Self {
        let (ready, partial) = (VecDeque::new(), Vec::new());
        Self { chunks: Some(chunks), ready, partial, asked, answered: 0 }
    }

    /// The whole text, for a caller who does not want it in pieces.
    pub async fn gathered(mut self) -> Result<(String, Usage), Failure> {
        let mut gathered = (String::new(), Usage::default());
        while let Some(piece) = self.next().await.transpose()? {
            match piece {
                Piece::Event(Event::Text { text, .. }) => gathered.0.push_str(&text),
                Piece::Event(Event::Usage(usage)) => gathered.1 = usage,
                _ => {}
            }
            if gathered.0.len() > LONGEST_ANSWER {
                let message = "the provider's answer is too large to relay";
                return Err(Failure::new(Kind::Malformed, message));
            }
        }
        Ok(gathered)
    }

    fn read(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.partial.extend_from_slice(chunk);
        let whole = match str::from_utf8(&self.partial) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(no_text()),
        };
        let rest = self.partial.split_off(whole);
        let text = String::from_utf8(std::mem::replace(&mut self.partial, rest));
        let text = text.map_err(|_| no_text())?;
        if !text.is_empty() {
            self.answered += text.len();
            let event = Event::Text { choice: 0, text, logprobs: vec![] };
            self.ready.push_back(Piece::Event(event));
        }
        Ok(())
    }

    /// The end. An upstream that breaks before its first word often says nothing else about it.
    fn end(&mut self) -> Result<(), Failure> {
        if !self.partial.is_empty() || self.answered == 0 {
            let message = "the provider's answer ended before it said anything whole";
            return Err(Failure::new(Kind::Malformed, message));
        }
        let usage = Usage::of_answer(self.answered).with_asked(self.asked);
        self.ready.extend(ending(usage).map(Piece::Event));
        self.ready.push_back(Piece::Done { event: None });
        Ok(())
    }
}

impl Stream for TextPieces {
    type Item = Result<Piece, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(piece)));
            }
            let Some(chunks) = &mut self.chunks else { return Poll::Ready(None) };
            let chunk = ready!(chunks.poll_next_unpin(context));
            let over = !matches!(chunk, Some(Ok(_)));
            let outcome = match chunk {
                Some(Ok(chunk)) => self.read(&chunk),
                Some(Err(failure)) => Err(failure),
                None => self.end(),
            };
            if over || outcome.is_err() {
                self.chunks = None;
            }
            if let Err(failure) = outcome {
                return Poll::Ready(Some(Err(failure)));
            }
        }
    }
}

fn no_text() -> Failure {
    Failure::new(Kind::Malformed, "the provider's answer is not the text that it should be")
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};
    use isthmus_inference::stream::Fold;
    use proptest::prelude::*;

    use super::*;

    /// What the chunks come to: the text, or what went wrong.
    fn outcome(chunks: &[&[u8]]) -> Result<String, Kind> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let pieces = TextPieces::new(stream::iter(chunks).boxed(), 10);
        let pieces: Vec<_> = pieces.collect().now_or_never().unwrap();
        let mut fold = Fold::default();
        let mut done = false;
        for piece in pieces {
            match piece {
                Ok(Piece::Event(event)) => fold.push(event),
                Ok(piece) => done = piece == Piece::Done { event: None },
                Err(failure) => return Err(failure.kind),
            }
        }
        assert!(done);
        let answer = fold.finish("m".into()).unwrap();
        assert_eq!(answer.usage.input(), 10);
        Ok(answer.choices[0].text())
    }

    #[test]
    fn what_is_no_whole_text_is_no_answer() {
        assert_eq!(outcome(&[b"a", b""]), Ok("a".into()));
        let cases: [&[&[u8]]; 5] = [&[], &[b""], &[b"a\xC3"], &[b"a", b"\xFF"], &[b"\xC3", b"a"]];
        for chunks in cases {
            assert_eq!(outcome(chunks), Err(Kind::Malformed), "{chunks:?}");
        }
    }

    proptest! {
        #[test]
        fn text_survives_any_chunking(text in ".{1,40}", cuts in prop::collection::vec(0..160usize, 0..8)) {
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut <= text.len()).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(outcome(&chunks), Ok(text));
        }
    }
}
