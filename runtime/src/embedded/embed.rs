//! Texts to vectors: the thread of an embedding model.
//!
//! The inputs of a request are packed into batches, each as full as the model's memory allows, and
//! each input a sequence of its own. Nothing is kept from one batch to the next.

use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingInput, EmbeddingRequest};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::usage::Usage;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::oneshot;

use super::gauges::Gauges;
use super::model::{Model, pooling};
use super::native;
use super::queue::{Queue, Waits};
use crate::LoadError;

/// Inputs to be made into vectors, and where these go.
pub(crate) struct EmbeddingJob {
    inputs: Vec<Vec<u32>>,
    reply: oneshot::Sender<Reply>,
}

type Reply = Result<EmbeddingAnswer, Failure>;

/// The most sequences in one batch.
const SEQUENCES: u32 = 32;

/// Owns the model's memory and serves the queue until it is closed.
pub(crate) struct Embedder<'a> {
    model: &'a Model,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    capacity: usize,
    queue: Arc<Queue<EmbeddingJob>>,
    gauges: Arc<Gauges>,
}

/// A request as a job, and where its answer will be.
pub(crate) fn prepare(
    model: &Model,
    request: &EmbeddingRequest,
) -> Result<(EmbeddingJob, oneshot::Receiver<Reply>), Failure> {
    let length = model.info.embedding_length.unwrap_or(0);
    if let Some(asked) = request.dimensions.filter(|&asked| asked != length) {
        let message = format!(
            "`dimensions` is {asked}, but this model's vectors have {length} numbers and cannot \
             be cut; leave `dimensions` out"
        );
        return Err(Failure::invalid("dimensions", message));
    }
    if request.inputs.is_empty() {
        return Err(Failure::invalid("input", "`input` is empty; send at least one text"));
    }
    let inputs = request.inputs.iter().enumerate();
    let inputs = inputs.map(|(index, input)| tokens(model, index, input));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let (reply, answer) = oneshot::channel();
    Ok((EmbeddingJob { inputs, reply }, answer))
}

fn tokens(model: &Model, index: usize, input: &EmbeddingInput) -> Result<Vec<u32>, Failure> {
    let (window, vocabulary) = (model.info.context_window as usize, model.info.vocabulary);
    let tokens = match input {
        EmbeddingInput::Text(text) => {
            model.check_size(text.len(), "input")?;
            model.framed_tokens(text, false)
        }
        EmbeddingInput::Tokens(tokens) => tokens.clone(),
    };
    if let Some(unknown) = tokens.iter().find(|&&token| token >= vocabulary) {
        let message =
            format!("`input[{index}]` has the token {unknown}; the model knows {vocabulary}");
        return Err(Failure::invalid("input", message));
    }
    if tokens.is_empty() {
        return Err(Failure::invalid("input", format!("`input[{index}]` is empty; leave it out")));
    }
    if tokens.len() > window {
        let message = format!(
            "`input[{index}]` has {} tokens, but this model reads {window} at most; shorten it",
            tokens.len()
        );
        return Err(Failure::new(Kind::ContextLength, message).with_param("input"));
    }
    Ok(tokens)
}

// === impl EmbeddingJob ===

impl Waits for EmbeddingJob {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

// === impl Embedder ===

impl<'a> Embedder<'a> {
    pub(crate) fn new(
        model: &'a Model,
        threads: u32,
        queue: Arc<Queue<EmbeddingJob>>,
        gauges: Arc<Gauges>,
    ) -> Result<Self, LoadError> {
        // A model that looks both ways must see a text in one piece.
        let capacity = model.info.context_window.max(512);
        let mut parameters = LlamaContextParams::default()
            .with_embeddings(true)
            .with_n_ctx(NonZeroU32::new(capacity))
            .with_n_batch(capacity)
            .with_n_ubatch(capacity)
            .with_n_seq_max(SEQUENCES)
            .with_kv_unified(true)
            .with_n_threads(threads as i32)
            .with_n_threads_batch(threads as i32);
        if pooling(&model.llama, &model.info.architecture).is_none() {
            parameters = parameters.with_pooling_type(LlamaPoolingType::Mean);
        }
        let backend = native::backend().map_err(LoadError::Settings)?;
        native::complaint();
        let context = model.llama.new_context(backend, parameters).map_err(|_| {
            let complaint = native::complaint();
            LoadError::Settings(format!("no memory for the embedding model: {complaint}"))
        })?;
        let batch = LlamaBatch::new(capacity as usize, 1);
        Ok(Self { model, context, batch, capacity: capacity as usize, queue, gauges })
    }

    pub(crate) fn run(mut self) {
        while let Some(job) = self.queue.pop() {
            self.gauges.slots_busy.store(1, Relaxed);
            if !job.is_abandoned() {
                let made = catch_unwind(AssertUnwindSafe(|| self.answer(&job)));
                let made = made.unwrap_or_else(|_| Err(failed("the engine panicked")));
                // Whoever asked may have left meanwhile.
                let _ = job.reply.send(made);
            }
            self.gauges.slots_busy.store(0, Relaxed);
        }
    }

    fn answer(&mut self, job: &EmbeddingJob) -> Reply {
        let mut vectors = Vec::with_capacity(job.inputs.len());
        let mut rest = job.inputs.as_slice();
        while !rest.is_empty() {
            if job.is_abandoned() || self.queue.is_stopped() {
                return Err(failed("nobody waits for the vectors, or the engine stops"));
            }
            let (now, later) = rest.split_at(fitting(rest, self.capacity));
            self.compute(now, &mut vectors)?;
            self.gauges.prompt_tokens_computed.fetch_add(count(now), Relaxed);
            rest = later;
        }
        let usage = Usage { uncached_input: count(&job.inputs), ..Usage::default() };
        Ok(EmbeddingAnswer { model: self.model.info.id.as_str().into(), vectors, usage })
    }

    fn compute(&mut self, inputs: &[Vec<u32>], vectors: &mut Vec<Vec<f32>>) -> Result<(), Failure> {
        self.batch.clear();
        for (sequence, input) in (0..).zip(inputs) {
            for (position, &token) in (0..).zip(input) {
                let added = self.batch.add(LlamaToken(token as i32), position, &[sequence], true);
                added.map_err(failed)?;
            }
        }
        self.context.clear_kv_cache();
        self.context.decode(&mut self.batch).map_err(failed)?;
        for sequence in 0..inputs.len() {
            let vector = self.context.embeddings_seq_ith(sequence as i32).map_err(failed)?;
            vectors.push(unit(vector));
        }
        Ok(())
    }
}

impl Drop for Embedder<'_> {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

fn count(inputs: &[Vec<u32>]) -> u64 {
    inputs.iter().map(|input| input.len() as u64).sum()
}

/// How many of the first inputs fit one batch; at least one, since none is longer than that.
fn fitting(inputs: &[Vec<u32>], capacity: usize) -> usize {
    let mut filled = 0;
    let fits = inputs.iter().take(SEQUENCES as usize).take_while(|input| {
        filled += input.len();
        filled <= capacity
    });
    fits.count().max(1)
}

/// The vector of the same direction and length 1.
fn unit(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    // A vector of nothing has no direction.
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter().map(|x| (f64::from(*x) * scale) as f32).collect()
}

fn failed(reason: impl ToString) -> Failure {
    Failure::new(Kind::Internal, "the engine could not make the vectors; try again")
        .with_detail(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_packed_in_order() {
        let inputs = [vec![0; 300], vec![0; 200], vec![0; 100]];
        assert_eq!(fitting(&inputs, 512), 2);
        assert_eq!(fitting(&inputs[2..], 512), 1);
        assert_eq!(fitting(&vec![vec![0; 1]; 100], 512), SEQUENCES as usize);
    }

    #[test]
    fn vectors_get_length_one() {
        assert_eq!(unit(&[3.0, 4.0]), [0.6, 0.8]);
        assert_eq!(unit(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
