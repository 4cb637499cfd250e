//! What the detector costs: `cargo run --release -p isthmus-policies --example detector_speed`.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use isthmus_policies::detector::{Detector, Patterns};

const PROSE: &str = "The committee met again in the spring and went through every clause of the draft. \
    Nobody was quite sure who had written the third paragraph, but all agreed that it had to stay, and so it stayed.\n";
const CODE: &str = "    let total = items.iter().map(|item| item.price * item.count as u64).sum::<u64>();\n    \
    if total > LIMIT { return Err(Error::TooMuch { total, limit: LIMIT, at: 1024 }); }\n";
const CYRILLIC: &str = "Комитет снова собрался весной и разобрал каждый пункт проекта; никто не помнил, кто написал третий абзац.\n";
const NUMBERS: &str =
    "2026-11-28T12:00:00Z host=10.0.0.12 status=200 bytes=18342 time=0.0213 id=7c9e6679\n";

fn main() {
    println!("{:<10} {:>8} {:>12}", "text", "bytes", "microseconds");
    for (name, text) in
        [("prose", PROSE), ("code", CODE), ("cyrillic", CYRILLIC), ("log lines", NUMBERS)]
    {
        for size in [1_000, 10_000, 100_000] {
            let content: String = text.chars().cycle().take(size).collect();
            let content = serde_json::to_string(&content[..floor(&content, size)]);
            let content = content.unwrap_or_default();
            let body =
                format!(r#"{{"model":"chat","messages":[{{"role":"user","content":{content}}}]}}"#);
            println!("{name:<10} {:>8} {:>12.2}", body.len(), microseconds(body.as_bytes()));
        }
    }
    let picture: Vec<u8> =
        (0..1_000_000_u32).map(|n| b"ABCDabcd0189+/xyz"[(n * 7 % 17) as usize]).collect();
    let picture = String::from_utf8_lossy(&picture);
    let body = format!(r#"{{"url":"data:image/png;base64,iVBORw0KGgo{picture}"}}"#);
    println!("{:<10} {:>8} {:>12.2}", "picture", body.len(), microseconds(body.as_bytes()));
}

fn floor(text: &str, size: usize) -> usize {
    (0..=size.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The median of a few hundred runs.
fn microseconds(body: &[u8]) -> f64 {
    let mut times: Vec<Duration> = (0..301)
        .map(|_| {
            let began = Instant::now();
            black_box(Patterns.scan(black_box(body)));
            began.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
