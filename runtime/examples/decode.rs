//! How fast the engine is, on one thread, beside a bare loop over llama.cpp with the same model.
//!
//! `cargo run --release -p isthmus-runtime --features embedded --example decode -- MODEL [ROUNDS]`
//!
//! Rounds are interleaved, so that a busy neighbour on the machine slows all alike, and medians are
//! printed: of tokens per second of wall time, and of tokens per second of CPU time, which a busy
//! machine changes less.
#![allow(clippy::print_stdout, reason = "it is there to print")]

use std::collections::BTreeMap;
use std::error::Error;
use std::mem::ManuallyDrop;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use isthmus_inference::chat::{ChatRequest, Prompt, Sampling};
use isthmus_inference::usage::Usage;
use isthmus_runtime::{Engine, EngineSettings};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Tokens to generate in each run.
const LENGTH: u32 = 64;
const SLOTS: u32 = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("usage: bench MODEL [ROUNDS]")?;
    let rounds: u32 = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;

    // llama.cpp is set up once in a process, and the engine does it; this is the proof of it that
    // the crate asks for. Dropping it would tear llama.cpp down.
    let backend = ManuallyDrop::new(LlamaBackend {});
    let settings = EngineSettings { threads: Some(1), ..EngineSettings::new(&model) };
    let engine = Engine::load(&settings)?;
    println!("{} {}, one thread, {rounds} rounds", engine.info().id, engine.info().quantization);
    let parameters = LlamaModelParams::default().with_n_gpu_layers(0);
    let llama = LlamaModel::load_from_file(&backend, &model, &parameters)?;
    let mut bare = Bare::new(&backend, &llama)?;

    let mut results = Results::default();
    for round in 0..rounds {
        let prompt = engine.tokenize(&format!("{round}. Once upon a time there was a fox who"));
        let (texts, spent) = timed(async { bare.generate(&prompt) }).await;
        let texts = texts?;
        results.note("decode, bare llama.cpp", LENGTH, spent);

        let (answer, spent) = timed(one(&engine, &prompt, LENGTH)).await;
        assert_eq!(answer?.0, texts, "the engine and llama.cpp disagree");
        results.note("decode, engine", LENGTH, spent);

        let prompts: Vec<Vec<u32>> = (0..SLOTS)
            .map(|slot| engine.tokenize(&format!("{round}{slot}. A long story of a fox: ")))
            .collect();
        let all = prompts.iter().map(|prompt| one(&engine, prompt, LENGTH));
        let (answers, spent) = timed(join_all(all)).await;
        let generated = answers.into_iter().collect::<Outcome<Vec<_>>>()?;
        let generated: u64 = generated.iter().map(|(_, usage)| usage.output()).sum();
        results.note("decode, engine, 8 at once", generated as u32, spent);

        let story = engine.tokenize(&"The quick brown fox jumps over a lazy dog. ".repeat(30));
        let cold: Vec<u32> = engine.tokenize(&round.to_string()).into_iter().chain(story).collect();
        let (answer, spent) = timed(one(&engine, &cold[..200], 1)).await;
        assert!(answer?.1.cache_read < 4, "the prompt was not cold");
        results.note("prompt of 200, cold", 200, spent);

        let mut warm = cold[..200].to_vec();
        warm.extend(engine.tokenize(" So"));
        let (answer, spent) = timed(one(&engine, &warm, 1)).await;
        assert!(answer?.1.cache_read >= 199);
        results.note("prompt of 200, warm", 200, spent);
    }
    results.print();
    Ok(())
}

/// A greedy continuation that does not stop early: its text and usage.
async fn one(engine: &Engine, prompt: &[u32], length: u32) -> Outcome<(String, Usage)> {
    let request = ChatRequest {
        prompt: Prompt::Tokens(prompt.to_vec()),
        sampling: Sampling {
            temperature: Some(0.0),
            max_tokens: Some(length),
            ..Sampling::default()
        },
        choices: 1,
        ..ChatRequest::default()
    };
    let answer = engine.chat_whole(&request).await?;
    let text = answer.choices.into_iter().map(|choice| choice.text()).collect();
    Ok((text, answer.usage))
}

/// What something took: wall and CPU time of the whole process.
async fn timed<T>(work: impl Future<Output = T>) -> (T, (Duration, Duration)) {
    let (wall, cpu) = (Instant::now(), cpu_time());
    let made = work.await;
    (made, (wall.elapsed(), cpu_time().saturating_sub(cpu)))
}

/// CPU time of this process, from Linux's scheduler statistics of its threads.
fn cpu_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let statistics = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        statistics.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The shortest loop that generates with llama.cpp: what its own `llama-bench` does for `tg`, and
/// its greedy sampler.
struct Bare<'a> {
    model: &'a LlamaModel,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
}

impl<'a> Bare<'a> {
    fn new(backend: &LlamaBackend, model: &'a LlamaModel) -> Outcome<Self> {
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(2048))
            .with_n_threads(1)
            .with_n_threads_batch(1);
        let context = model.new_context(backend, parameters)?;
        Ok(Self { model, context, batch: LlamaBatch::new(512, 1) })
    }

    fn generate(&mut self, prompt: &[u32]) -> Outcome<String> {
        self.context.clear_kv_cache();
        let mut sampler = LlamaSampler::greedy();
        let mut text = Vec::new();
        let mut next: Vec<LlamaToken> = prompt.iter().map(|&t| LlamaToken(t as i32)).collect();
        let mut place = 0;
        for _ in 0..LENGTH {
            self.batch.clear();
            for (index, &token) in next.iter().enumerate() {
                self.batch.add(token, place, &[0], index + 1 == next.len())?;
                place += 1;
            }
            self.context.decode(&mut self.batch)?;
            let token = sampler.sample(&self.context, -1);
            if self.model.vocab().is_eog(token) {
                break;
            }
            text.extend(self.model.vocab().token_to_piece(token, false, None));
            next = vec![token];
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[derive(Default)]
struct Results(BTreeMap<&'static str, Vec<(f64, f64)>>);

impl Results {
    fn note(&mut self, name: &'static str, tokens: u32, (wall, cpu): (Duration, Duration)) {
        let rate = |time: Duration| f64::from(tokens) / time.as_secs_f64();
        self.0.entry(name).or_default().push((rate(wall), rate(cpu)));
    }

    fn medians(&self, name: &str) -> (f64, f64) {
        let rates = &self.0[name];
        let wall = rates.iter().map(|rate| rate.0).collect();
        let cpu = rates.iter().map(|rate| rate.1).collect();
        (median(wall), median(cpu))
    }

    fn print(&self) {
        println!("{:28} {:>12} {:>14}", "", "tokens/s", "tokens/CPU-s");
        for name in self.0.keys() {
            let (wall, cpu) = self.medians(name);
            println!("{name:28} {wall:12.1} {cpu:14.1}");
        }
        let ratio = |first, second| self.medians(first).1 / self.medians(second).1;
        println!(
            "engine / bare llama.cpp      {:.3}",
            ratio("decode, engine", "decode, bare llama.cpp")
        );
        println!(
            "8 at once / one              {:.2}",
            ratio("decode, engine, 8 at once", "decode, engine")
        );
        println!(
            "warm / cold prompt           {:.1}",
            ratio("prompt of 200, warm", "prompt of 200, cold")
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
