//! A sequence and the answer that is made in it.

use std::sync::Arc;

use isthmus_inference::answer::{FinishReason, TokenLogprob};
use isthmus_inference::failure::{Failure, Kind};

use crate::embedded::answer::Answer;
use crate::embedded::core::Core;
use crate::embedded::grammar::Constraint;
use crate::embedded::job::Exchange;
use crate::embedded::probability::LogSoftmax;
use crate::embedded::sampling::Sampler;

/// One sequence of the model.
#[derive(Default)]
pub(crate) struct Slot {
    /// The tokens that the model holds for it. It keeps them when its answer is done.
    pub(super) held: Vec<u32>,
    pub(super) lane: Option<Lane>,
    pub(super) last_used: u64,
}

/// One answer in the making.
pub(crate) struct Lane {
    pub(crate) exchange: Arc<Exchange>,
    choice: u32,
    sampler: Sampler,
    /// What all answers of the exchange begin with.
    pattern: Option<Arc<Constraint>>,
    /// This answer's own, made from the pattern when there is a slot: it takes memory and time.
    constraint: Option<Constraint>,
    answer: Answer,
    /// The token chosen last, which the model has not read yet.
    pub(super) next: Option<u32>,
    generated: usize,
    scored: Vec<TokenLogprob>,
}

/// How it goes on with a lane.
#[derive(Debug)]
pub(super) enum Turn {
    /// The prompt is still being read.
    Reading,
    /// There is a next token.
    Writing,
    /// The answer is whole; its last token may have been `generated` in this turn.
    Ended { reason: FinishReason, generated: bool },
}

// === impl Slot ===

impl Slot {
    /// The prompt that is being read here, if one is.
    pub(super) fn coming(&self) -> &[u32] {
        match &self.lane {
            Some(lane) if lane.next.is_none() => &lane.exchange.prompt,
            _ => &[],
        }
    }
}

// === impl Lane ===

impl Lane {
    pub(crate) fn new(
        exchange: Arc<Exchange>,
        choice: u32,
        sampler: Sampler,
        pattern: Option<Arc<Constraint>>,
        answer: Answer,
    ) -> Self {
        let (constraint, next, scored) = (None, None, Vec::new());
        let generated = 0;
        Self { exchange, choice, sampler, pattern, constraint, answer, next, generated, scored }
    }

    /// A slot was found that holds this much of the prompt already.
    pub(super) fn begin(&mut self, reused: usize) {
        self.constraint = self.pattern.take().map(|pattern| Constraint::clone(&pattern));
        if self.choice == 0 {
            self.exchange.note_reused(reused);
        }
    }

    /// Reads the logits behind a cell: of a prompt's token to score its successor, of the last
    /// token to choose the next one.
    pub(super) fn advance(
        &mut self,
        core: &impl Core,
        place: usize,
        position: usize,
        scratch: &mut Vec<f32>,
    ) -> Result<Turn, Failure> {
        let logits = core.logits(place);
        if let Some(&given) = self.exchange.prompt.get(position + 1) {
            self.scored.push(self.described(core, logits, given));
            return Ok(Turn::Reading);
        }
        if self.generated == 0 {
            self.send_preface(core);
        }
        if self.exchange.max_tokens == 0 {
            return Ok(Turn::Ended { reason: FinishReason::Length, generated: false });
        }
        self.choose(core, logits, scratch)
    }

    /// The last word to the reader; whether his exchange is at its end.
    pub(super) fn end(mut self, reason: FinishReason) -> bool {
        for event in self.answer.finish(reason) {
            self.exchange.send(event);
        }
        self.exchange.close(self.generated)
    }

    fn choose(
        &mut self,
        core: &impl Core,
        logits: &[f32],
        scratch: &mut Vec<f32>,
    ) -> Result<Turn, Failure> {
        let token = self.pick(logits, scratch).map_err(astray)?;
        if core.is_end(token) {
            return Ok(Turn::Ended { reason: FinishReason::Stop, generated: false });
        }
        self.generated += 1;
        let logprob = self.exchange.top_logprobs.map(|_| self.described(core, logits, token));
        let (events, stopped) = self.answer.push(&core.shown(token), logprob);
        for event in events {
            self.exchange.send(event);
        }
        let complete = self.constraint.as_ref().is_some_and(Constraint::is_complete);
        if stopped || complete {
            return Ok(Turn::Ended { reason: FinishReason::Stop, generated: true });
        }
        if self.generated >= self.exchange.max_tokens {
            return Ok(Turn::Ended { reason: FinishReason::Length, generated: true });
        }
        self.next = Some(token);
        Ok(Turn::Writing)
    }

    fn pick(&mut self, logits: &[f32], scratch: &mut Vec<f32>) -> Result<u32, String> {
        if self.constraint.is_none() && !self.sampler.adjusts() {
            return Ok(self.sampler.pick(logits));
        }
        scratch.clear();
        scratch.extend_from_slice(logits);
        self.sampler.adjust(scratch);
        let Some(constraint) = &mut self.constraint else {
            return Ok(self.sampler.pick(scratch));
        };
        constraint.restrict(scratch)?;
        let token = self.sampler.pick(scratch);
        constraint.accept(token)?;
        Ok(token)
    }

    /// A token with its log-probability and the alternatives, by the model's own logits.
    fn described(&self, core: &impl Core, logits: &[f32], token: u32) -> TokenLogprob {
        let softmax = LogSoftmax::of(logits);
        let top = softmax.top(self.exchange.top_logprobs.unwrap_or(0));
        TokenLogprob {
            bytes: core.spelt(token),
            logprob: softmax.of_token(token),
            top: top.into_iter().map(|(token, logprob)| (core.spelt(token), logprob)).collect(),
        }
    }

    /// Echoes the prompt and what was scored of it. The very first token follows nothing, so its
    /// log-probability is not a number, which JSON writes as `null`.
    fn send_preface(&mut self, core: &impl Core) {
        let mut logprobs = std::mem::take(&mut self.scored);
        if self.exchange.echo.is_some() && !logprobs.is_empty() {
            let bytes = core.spelt(self.exchange.prompt[0]);
            logprobs.insert(0, TokenLogprob { bytes, logprob: f32::NAN, top: vec![] });
        }
        if self.exchange.echo.is_some() || !logprobs.is_empty() {
            let text = self.exchange.echo.clone().unwrap_or_default();
            self.exchange.send(self.answer.preface(text, logprobs));
        }
    }
}

/// A grammar that cannot go on is a defect of the grammar, seen only while the answer is made.
fn astray(reason: String) -> Failure {
    let message = "the grammar of the answer leads nowhere; simplify `response_format` or `tools`";
    Failure::new(Kind::InvalidRequest, message).with_param("response_format").with_detail(reason)
}
