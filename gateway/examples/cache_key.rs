//! What it costs to find the key of a request:
//! `cargo run --release -p isthmus-gateway --example cache_key`.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use isthmus_adapters::dialects::caller;
use isthmus_config::settings::cache::Scope;
use isthmus_gateway::cache::key::Key;
use isthmus_inference::request::{Dialect, Operation, Request};
use isthmus_policies::question::Principal;

const SENTENCE: &str = "The committee met again in the spring and went through every clause. ";

fn main() {
    println!("{:<12} {:>8} {:>12}", "body", "bytes", "microseconds");
    for size in [1_000, 10_000, 100_000] {
        // One long message, and many short ones whose members stand out of order.
        let text: String = SENTENCE.chars().cycle().take(size).collect();
        show("one message", &format!(r#"{{"role":"user","content":"{text}"}}"#));
        let mut turns = String::new();
        while turns.len() < size {
            let comma = if turns.is_empty() { "" } else { ", " };
            let _ = write!(turns, r#"{comma}{{"role": "user", "content": "{SENTENCE}"}}"#);
        }
        show("many", &turns);
    }
}

fn show(name: &str, messages: &str) {
    let body = format!(r#"{{"model":"chat","messages":[{messages}],"temperature":0,"seed":1}}"#);
    let body = Bytes::from(body);
    let Ok(request) = caller(Dialect::OpenAi).read(Operation::Chat, body) else { return };
    println!("{name:<12} {:>8} {:>12.2}", request.body.len(), microseconds(&request));
}

/// The median of a thousand runs.
fn microseconds(request: &Request) -> f64 {
    let principal = Principal::anybody();
    let mut times: Vec<Duration> = (0..1001)
        .map(|_| {
            let began = Instant::now();
            black_box(Key::of(black_box(request), &principal, Scope::App, "1"));
            began.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
