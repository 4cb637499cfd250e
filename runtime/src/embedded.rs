//! The engine behind the handle: a model, a queue, and the thread between them.
//!
//! Read in this order: `scheduler` (the loop), `prepare` (what comes in), `answer` (what goes out).
//! What is pure stands in files of its own: `sampling`, `probability`, `text`, `tools`, `template`,
//! `guard`, `random`, `date`. Only `model`, `llama`, `embed`, `grammar` and `native` touch llama.cpp;
//! `kernel` is what llama.cpp calls.

mod answer;
mod core;
mod date;
mod embed;
mod gauges;
mod grammar;
mod guard;
mod job;
#[cfg(all(target_arch = "x86_64", not(feature = "dynamic-backend")))]
mod kernel;
mod llama;
mod model;
mod native;
mod prepare;
mod probability;
mod quantize;
mod queue;
mod random;
mod sampling;
mod scheduler;
mod template;
mod text;
mod tools;

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use isthmus_inference::chat::{ChatRequest, Prompt};
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::{Blame, Failure, Kind, Retry};
use tokio::sync::oneshot;

use crate::{EngineSettings, EventStream, LoadError, LoadState, ModelInfo};
use embed::{Embedder, EmbeddingJob};
use gauges::Gauges;
use job::Job;
use llama::LlamaCore;
use model::Model;
use queue::{Queue, Refusal, Room, Waits};
use scheduler::{Limits, Scheduler};

/// A loaded model with its thread.
pub(crate) struct Backing {
    model: Arc<Model>,
    gauges: Arc<Gauges>,
    work: Work,
    /// Until it was waited for.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the model's thread does.
enum Work {
    Chat(Arc<Queue<Job>>),
    Embedding(Arc<Queue<EmbeddingJob>>),
}

// === impl Backing ===

impl Backing {
    pub(crate) fn load(settings: &EngineSettings) -> Result<Self, LoadError> {
        let threads = settings.threads.unwrap_or_else(default_threads).max(1);
        let model = Arc::new(Model::load(settings)?);
        let gauges = Arc::new(Gauges::default());
        let (work, thread) = match model.info.embedding_length {
            None => start_chat(&model, &gauges, settings, threads)?,
            Some(_) => start_embedding(&model, &gauges, settings, threads)?,
        };
        Ok(Self { model, gauges, work, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn info(&self) -> &ModelInfo {
        &self.model.info
    }

    pub(crate) fn load_state(&self) -> LoadState {
        let queued = match &self.work {
            Work::Chat(queue) => queue.len(),
            Work::Embedding(queue) => queue.len(),
        };
        self.gauges.load_state(queued)
    }

    pub(crate) fn chat(&self, request: &ChatRequest) -> Result<EventStream, Failure> {
        let room = self.reserve(self.chat_queue()?, request.choices as usize)?;
        let (job, events) = prepare::chat(&self.model, request)?;
        room.fill(job).map_err(|refusal| self.refused(refusal))?;
        Ok(events)
    }

    pub(crate) fn score(
        &self,
        prompt: &Prompt,
        from: usize,
        top: u8,
    ) -> Result<EventStream, Failure> {
        let room = self.reserve(self.chat_queue()?, 1)?;
        let (job, events) = prepare::score(&self.model, prompt, from, top)?;
        room.fill(job).map_err(|refusal| self.refused(refusal))?;
        Ok(events)
    }

    pub(crate) fn embed(
        &self,
        request: &EmbeddingRequest,
    ) -> Result<oneshot::Receiver<Result<EmbeddingAnswer, Failure>>, Failure> {
        let Work::Embedding(queue) = &self.work else {
            return Err(self.unsupported("makes text and cannot make vectors", "an embedding"));
        };
        let room = self.reserve(queue, 1)?;
        let (job, answer) = embed::prepare(&self.model, request)?;
        room.fill(job).map_err(|refusal| self.refused(refusal))?;
        Ok(answer)
    }

    pub(crate) fn tokenize(&self, text: &str) -> Vec<u32> {
        self.model.tokens(text, false)
    }

    pub(crate) fn prompt_tokens(&self, request: &ChatRequest) -> Result<Vec<u32>, Failure> {
        self.chat_queue()?;
        prepare::prompt_tokens(&self.model, request)
    }

    fn chat_queue(&self) -> Result<&Queue<Job>, Failure> {
        match &self.work {
            Work::Chat(queue) => Ok(queue),
            Work::Embedding(_) => Err(self.unsupported("makes vectors and cannot chat", "a chat")),
        }
    }

    fn unsupported(&self, what: &str, other: &str) -> Failure {
        let message = format!("the model `{}` {what}; choose {other} model", self.model.info.id);
        Failure::new(Kind::Unsupported, message).with_param("model")
    }

    /// Ends the thread at its next step and waits for it.
    pub(crate) fn stop(&self) {
        match &self.work {
            Work::Chat(queue) => queue.stop(),
            Work::Embedding(queue) => queue.stop(),
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the engine's thread panicked before it was stopped");
        }
    }

    /// Room for something before it is prepared: whoever comes too late costs nothing.
    fn reserve<'a, T: Waits>(
        &self,
        queue: &'a Queue<T>,
        places: usize,
    ) -> Result<Room<'a, T>, Failure> {
        queue.reserve(places).map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Full(waiting) => {
                let message = format!(
                    "the embedded engine is busy: {waiting} answers wait already; try again later"
                );
                Failure::new(Kind::Overloaded, message)
                    .blamed_on(Blame::House)
                    .with_retry_after(self.gauges.wait_behind(waiting))
            }
            Refusal::Closed => Failure::new(Kind::Internal, "the embedded engine has stopped")
                .retried(Retry::Elsewhere),
        }
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        match &self.work {
            Work::Chat(queue) => queue.close(),
            Work::Embedding(queue) => queue.close(),
        }
    }
}

fn start_chat(
    model: &Arc<Model>,
    gauges: &Arc<Gauges>,
    settings: &EngineSettings,
    threads: u32,
) -> Result<(Work, JoinHandle<()>), LoadError> {
    let queue = Arc::new(Queue::new(settings.queue));
    let limits = limits(settings);
    let (model, gauges, queued) = (model.clone(), gauges.clone(), queue.clone());
    let thread = start("isthmus-engine", move |ready| {
        let core = LlamaCore::new(&model, limits, threads);
        let slots = model.info.slots as usize;
        let scheduler = core.map(|core| Scheduler::new(core, slots, limits, queued, gauges));
        if let Some(scheduler) = told(ready, scheduler) {
            scheduler.run();
        }
    })?;
    Ok((Work::Chat(queue), thread))
}

fn start_embedding(
    model: &Arc<Model>,
    gauges: &Arc<Gauges>,
    settings: &EngineSettings,
    threads: u32,
) -> Result<(Work, JoinHandle<()>), LoadError> {
    let queue = Arc::new(Queue::new(settings.queue));
    let (model, gauges, queued) = (model.clone(), gauges.clone(), queue.clone());
    let thread = start("isthmus-embedder", move |ready| {
        if let Some(embedder) = told(ready, Embedder::new(&model, threads, queued, gauges)) {
            embedder.run();
        }
    })?;
    Ok((Work::Embedding(queue), thread))
}

type Ready = mpsc::Sender<Result<(), LoadError>>;

/// Starts a thread and waits until it says that it is ready, or why it is not.
fn start(
    name: &str,
    work: impl FnOnce(&Ready) + Send + 'static,
) -> Result<JoinHandle<()>, LoadError> {
    let (ready, answer) = mpsc::channel();
    let thread = thread::Builder::new()
        .name(name.into())
        .spawn(move || work(&ready))
        .map_err(|reason| LoadError::Settings(format!("cannot start a thread: {reason}")))?;
    let gone = || LoadError::Settings("the engine's thread ended while it started".into());
    answer.recv().unwrap_or_else(|_| Err(gone()))?;
    Ok(thread)
}

/// Reports whether something was made, and keeps it if so.
fn told<T>(ready: &Ready, made: Result<T, LoadError>) -> Option<T> {
    let (kept, report) = match made {
        Ok(kept) => (Some(kept), Ok(())),
        Err(reason) => (None, Err(reason)),
    };
    // The other side waits for exactly this message.
    let _ = ready.send(report);
    kept
}

/// On a CPU a prompt gains nothing from larger pieces, and a step is how long a caller who left
/// holds his slot; an accelerator is idle between small ones.
fn limits(settings: &EngineSettings) -> Limits {
    let accelerated = settings.gpu_layers > 0;
    let (batch, prompt_beside_answers) = if accelerated { (2048, 512) } else { (256, 64) };
    let batch = batch.max(settings.slots as usize + prompt_beside_answers);
    Limits { batch, prompt_beside_answers, scored: 64 }
}

/// One less than there are physical cores, or than this process may use of them.
fn default_threads() -> u32 {
    // Knows the limits of control groups and the affinity of the process.
    let available = thread::available_parallelism().map_or(1, NonZero::get);
    threads_for(physical_cores().unwrap_or(available), available)
}

fn threads_for(physical: usize, available: usize) -> u32 {
    physical.min(available).saturating_sub(1).max(1) as u32
}

/// Linux names for each processor those that share its core: one core for each such list.
fn physical_cores() -> Option<usize> {
    let processors = std::fs::read_dir("/sys/devices/system/cpu").ok()?.flatten();
    let siblings = processors.filter_map(|processor| {
        std::fs::read_to_string(processor.path().join("topology/thread_siblings_list")).ok()
    });
    let cores = siblings.collect::<HashSet<String>>().len();
    (cores > 0).then_some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_is_left_to_others_of_those_that_may_be_used() {
        assert_eq!(threads_for(8, 16), 7);
        assert_eq!(threads_for(8, 2), 1, "a container with two of sixteen processors");
        assert_eq!(threads_for(1, 1), 1);
        let available = thread::available_parallelism().unwrap().get() as u32;
        assert!((1..=available).contains(&default_threads()));
    }
}
