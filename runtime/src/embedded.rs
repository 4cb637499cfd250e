//! The engine behind the handle: a model, a queue, and the thread between them.
//!
//! Read in this order: `scheduler` (the loop), `prepare` (what comes in), `answer` (what goes out).
//! What is pure stands in files of its own: `sampling`, `probability`, `text`, `tools`, `template`,
//! `guard`, `random`, `date`. Only `model`, `llama`, `embed`, `grammar` and `native` touch llama.cpp.

mod answer;
mod core;
mod date;
mod embed;
mod gauges;
mod grammar;
mod guard;
mod job;
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

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

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
use queue::{Queue, Refusal, Waits};
use scheduler::{Limits, Scheduler};

/// A loaded model with its thread.
pub(crate) struct Backing {
    model: Arc<Model>,
    gauges: Arc<Gauges>,
    work: Work,
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
        let work = match model.info.embedding_length {
            None => Work::Chat(start_chat(&model, &gauges, settings, threads)?),
            Some(_) => Work::Embedding(start_embedding(&model, &gauges, settings, threads)?),
        };
        Ok(Self { model, gauges, work })
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
        let queue = self.chat_queue()?;
        let (job, events) = prepare::chat(&self.model, request)?;
        self.push(queue, job).map(|()| events)
    }

    pub(crate) fn score(
        &self,
        prompt: &Prompt,
        from: usize,
        top: u8,
    ) -> Result<EventStream, Failure> {
        let queue = self.chat_queue()?;
        let (job, events) = prepare::score(&self.model, prompt, from, top)?;
        self.push(queue, job).map(|()| events)
    }

    pub(crate) fn embed(
        &self,
        request: &EmbeddingRequest,
    ) -> Result<oneshot::Receiver<Result<EmbeddingAnswer, Failure>>, Failure> {
        let Work::Embedding(queue) = &self.work else {
            return Err(self.unsupported("makes text and cannot make vectors", "an embedding"));
        };
        let (job, answer) = embed::prepare(&self.model, request)?;
        self.push(queue, job).map(|()| answer)
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

    fn push<T: Waits>(&self, queue: &Queue<T>, item: T) -> Result<(), Failure> {
        queue.push(item).map_err(|refusal| match refusal {
            Refusal::Full(waiting) => {
                let message = format!(
                    "the embedded engine is busy: {waiting} requests wait already; try again later"
                );
                Failure::new(Kind::Overloaded, message)
                    .blamed_on(Blame::House)
                    .with_retry_after(self.gauges.wait_behind(waiting))
            }
            Refusal::Closed => Failure::new(Kind::Internal, "the embedded engine has stopped")
                .retried(Retry::Elsewhere),
        })
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
) -> Result<Arc<Queue<Job>>, LoadError> {
    let queue = Arc::new(Queue::new(settings.queue));
    let limits = limits(settings);
    let (model, gauges, queued) = (model.clone(), gauges.clone(), queue.clone());
    start("isthmus-engine", move |ready| {
        let core = LlamaCore::new(&model, limits, threads);
        let slots = model.info.slots as usize;
        let scheduler = core.map(|core| Scheduler::new(core, slots, limits, queued, gauges));
        if let Some(scheduler) = told(ready, scheduler) {
            scheduler.run();
        }
    })?;
    Ok(queue)
}

fn start_embedding(
    model: &Arc<Model>,
    gauges: &Arc<Gauges>,
    settings: &EngineSettings,
    threads: u32,
) -> Result<Arc<Queue<EmbeddingJob>>, LoadError> {
    let queue = Arc::new(Queue::new(settings.queue));
    let (model, gauges, queued) = (model.clone(), gauges.clone(), queue.clone());
    start("isthmus-embedder", move |ready| {
        if let Some(embedder) = told(ready, Embedder::new(&model, threads, queued, gauges)) {
            embedder.run();
        }
    })?;
    Ok(queue)
}

type Ready = mpsc::Sender<Result<(), LoadError>>;

/// Starts a thread and waits until it says that it is ready, or why it is not.
fn start(name: &str, work: impl FnOnce(&Ready) + Send + 'static) -> Result<(), LoadError> {
    let (ready, answer) = mpsc::channel();
    let thread = thread::Builder::new().name(name.into()).spawn(move || work(&ready));
    thread.map_err(|reason| LoadError::Settings(format!("cannot start a thread: {reason}")))?;
    let gone = || LoadError::Settings("the engine's thread ended while it started".into());
    answer.recv().unwrap_or_else(|_| Err(gone()))
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

/// One less than there are physical cores.
fn default_threads() -> u32 {
    let logical = thread::available_parallelism().map_or(1, |count| count.get() as u32);
    // Linux says here whether cores pretend to be two each.
    let doubled = std::fs::read_to_string("/sys/devices/system/cpu/smt/active");
    let physical = if doubled.is_ok_and(|text| text.trim() == "1") { logical / 2 } else { logical };
    physical.saturating_sub(1).max(1)
}
