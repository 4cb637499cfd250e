//! The scheduler's rules, on a core whose every answer is known and that fails on command.

use std::sync::{Mutex, PoisonError};

use isthmus_inference::answer::Choice;
use isthmus_inference::failure::Failure;
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Usage;
use proptest::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::embedded::answer::Answer;
use crate::embedded::job::Exchange;
use crate::embedded::random::Random;
use crate::embedded::sampling::{Recipe, Sampler};

const VOCABULARY: u32 = 64;
const END: u32 = 0;
const LIMITS: Limits = Limits { batch: 64, prompt_beside_answers: 4, scored: 8 };

/// A model whose next token depends on every token before it, so that a sequence that was mixed up
/// shows in the answer.
fn successor(tokens: &[u32]) -> u32 {
    let mixed = tokens.iter().fold(7_u32, |sum, &token| sum.wrapping_mul(31).wrapping_add(token));
    match mixed % 23 {
        0 => END,
        _ => mixed / 23 % (VOCABULARY - 1) + 1,
    }
}

/// The answer to a prompt by the definition, without any engine.
fn alone(prompt: &[u32], max_tokens: usize) -> String {
    let mut tokens = prompt.to_vec();
    while tokens.len() < prompt.len() + max_tokens && successor(&tokens) != END {
        tokens.push(successor(&tokens));
    }
    tokens[prompt.len()..].iter().map(|&token| letter(token)).collect()
}

fn letter(token: u32) -> char {
    char::from(b'0' + token as u8)
}

/// What the core is to do wrong, and what it did.
#[derive(Default)]
struct Script {
    /// Batches with this sequence fail.
    broken: Option<usize>,
    /// The next batch finds no memory.
    full: bool,
    /// A batch with this token panics.
    poison: Option<u32>,
    computed: usize,
    widest_output: usize,
}

struct FakeCore {
    sequences: Vec<Vec<u32>>,
    logits: Vec<Vec<f32>>,
    script: Arc<Mutex<Script>>,
    whole_only: bool,
}

impl Core for FakeCore {
    fn decode(&mut self, cells: &[Cell]) -> Result<(), Fault> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut script.full) {
            return Err(Fault::Full);
        }
        self.logits.clear();
        for cell in cells {
            let sequence = &mut self.sequences[cell.sequence];
            assert_eq!(sequence.len(), cell.position, "a hole in a sequence");
            // A broken batch is noticed late, when part of it is in memory already.
            sequence.push(cell.token);
            if script.broken == Some(cell.sequence) {
                return Err(Fault::Broken("on command".into()));
            }
            assert_ne!(script.poison, Some(cell.token), "poisoned on command");
            let mut logits = vec![0.0; if cell.output { VOCABULARY as usize } else { 0 }];
            if let Some(logit) = logits.get_mut(successor(sequence) as usize) {
                *logit = 10.0;
            }
            self.logits.push(logits);
            script.computed += 1;
        }
        let outputs = cells.iter().filter(|cell| cell.output).count();
        script.widest_output = script.widest_output.max(outputs);
        Ok(())
    }

    fn logits(&self, cell: usize) -> &[f32] {
        &self.logits[cell]
    }

    fn truncate(&mut self, sequence: usize, length: usize) -> bool {
        let sequence = &mut self.sequences[sequence];
        let partial = length > 0 && length < sequence.len();
        sequence.truncate(if partial && self.whole_only { 0 } else { length });
        !(partial && self.whole_only)
    }

    fn share(&mut self, from: usize, to: usize, length: usize) {
        assert!(self.sequences[to].is_empty() && !self.whole_only);
        self.sequences[to] = self.sequences[from][..length].to_vec();
    }

    fn shares_prefixes(&self) -> bool {
        !self.whole_only
    }

    fn shown(&self, token: u32) -> Vec<u8> {
        self.spelt(token)
    }

    fn spelt(&self, token: u32) -> Vec<u8> {
        letter(token).to_string().into_bytes()
    }

    fn is_end(&self, token: u32) -> bool {
        token == END
    }
}

struct Bench {
    scheduler: Scheduler<FakeCore>,
    queue: Arc<Queue<Job>>,
    gauges: Arc<Gauges>,
    script: Arc<Mutex<Script>>,
}

struct Reader(UnboundedReceiver<Result<Event, Failure>>);

/// All texts of an answer and its usage.
type Whole = (Vec<String>, Usage);

impl Bench {
    fn new(slots: usize) -> Self {
        Self::of(slots, false)
    }

    fn of(slots: usize, whole_only: bool) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let core = FakeCore {
            // One more than there are slots, to fill batches up with.
            sequences: vec![vec![]; slots + 1],
            logits: vec![],
            script: script.clone(),
            whole_only,
        };
        let (queue, gauges) = (Arc::new(Queue::new(100)), Arc::new(Gauges::default()));
        let scheduler = Scheduler::new(core, slots, LIMITS, queue.clone(), gauges.clone());
        Self { scheduler, queue, gauges, script }
    }

    fn ask(&self, prompt: &[u32], max_tokens: usize) -> Reader {
        self.ask_for(prompt, max_tokens, 1, None)
    }

    fn ask_for(
        &self,
        prompt: &[u32],
        max_tokens: usize,
        choices: u32,
        scored_from: Option<usize>,
    ) -> Reader {
        let (sender, receiver) = unbounded_channel();
        let mut exchange = Exchange::new(prompt.to_vec(), max_tokens, choices, sender);
        exchange.scored_from = scored_from;
        exchange.top_logprobs = scored_from.map(|_| 2);
        let exchange = Arc::new(exchange);
        let greedy = Recipe {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            bias: vec![],
        };
        let lanes = (0..choices).map(|choice| {
            let sampler = Sampler::new(greedy.clone(), Random::seeded(0));
            let answer = Answer::new(choice, &[], false);
            Lane::new(exchange.clone(), choice, sampler, None, answer)
        });
        self.queue.push(Job(lanes.collect())).unwrap();
        Reader(receiver)
    }

    /// Steps until nothing is left to do.
    fn settle(&mut self) {
        self.scheduler.step();
        while self.scheduler.has_work() {
            self.scheduler.step();
        }
    }

    fn busy(&self) -> u64 {
        self.gauges.slots_busy.load(Relaxed)
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    fn text_so_far(&mut self) -> String {
        let mut text = String::new();
        while let Ok(Ok(Event::Text { text: piece, .. })) = self.0.try_recv() {
            text.push_str(&piece);
        }
        text
    }

    fn whole(mut self) -> Result<Whole, Failure> {
        let mut fold = Fold::default();
        while let Ok(event) = self.0.try_recv() {
            fold.push(event?);
        }
        let answer = fold.finish("fake".into()).expect("the answer was cut");
        Ok((answer.choices.iter().map(Choice::text).collect(), answer.usage))
    }
}

/// A prompt whose answer is at least this long.
fn talkative(length: usize) -> Vec<u32> {
    let prompts = (1..).map(|token| vec![token % VOCABULARY, token / VOCABULARY, 5]);
    prompts.into_iter().find(|prompt| alone(prompt, length).len() == length).unwrap()
}

#[test]
fn answers_side_by_side_are_those_made_alone() {
    let mut bench = Bench::new(3);
    let prompts: Vec<Vec<u32>> = (1..9).map(|token| vec![token, 2 * token, 3]).collect();
    let readers: Vec<Reader> = prompts.iter().map(|prompt| bench.ask(prompt, 12)).collect();
    bench.settle();
    for (prompt, reader) in prompts.iter().zip(readers) {
        let (texts, usage) = reader.whole().unwrap();
        assert_eq!(texts, [alone(prompt, 12)]);
        assert_eq!((usage.input(), usage.text_output), (3, texts[0].len() as u64));
    }
    assert_eq!(bench.busy(), 0);
}

#[test]
fn a_reader_who_leaves_frees_the_slot_in_the_next_step() {
    let mut bench = Bench::new(1);
    let reader = bench.ask(&talkative(20), 20);
    (0..3).for_each(|_| bench.scheduler.step());
    assert_eq!(bench.busy(), 1);
    drop(reader);
    bench.scheduler.step();
    assert_eq!(bench.busy(), 0);
    assert!(!bench.scheduler.has_work());
}

#[test]
fn a_long_prompt_does_not_stall_an_answer() {
    let mut bench = Bench::new(2);
    let mut talking = bench.ask(&talkative(20), 20);
    bench.scheduler.step();
    let long: Vec<u32> = (0..40).map(|place| place % 7 + 1).collect();
    let reading = bench.ask(&long, 1);
    talking.text_so_far();
    for _ in 0..10 {
        bench.scheduler.step();
        assert_eq!(talking.text_so_far().len(), 1, "one token a step");
    }
    bench.settle();
    assert_eq!(reading.whole().unwrap().0, [alone(&long, 1)]);
}

#[test]
fn a_prompt_that_was_read_is_not_read_again() {
    let mut bench = Bench::new(2);
    let prompt: Vec<u32> = (1..50).collect();
    let first = bench.ask(&prompt, 4);
    bench.settle();
    let again = bench.ask(&prompt, 4);
    bench.settle();
    let ((first_texts, first), (texts, usage)) = (first.whole().unwrap(), again.whole().unwrap());
    assert_eq!(first_texts, texts);
    assert_eq!((first.cache_read, first.uncached_input), (0, 49));
    assert_eq!((usage.cache_read, usage.uncached_input), (48, 1));
}

#[test]
fn choices_read_their_prompt_once() {
    let mut bench = Bench::new(3);
    let prompt: Vec<u32> = (1..61).collect();
    let reader = bench.ask_for(&prompt, 1, 5, None);
    bench.settle();
    let (texts, usage) = reader.whole().unwrap();
    assert_eq!(texts, vec![alone(&prompt, 1); 5]);
    assert_eq!((usage.uncached_input, usage.text_output), (60, 5));
    // The prompt once, and its last token again for each further choice.
    assert_eq!(bench.script().computed, 64);
}

#[test]
fn models_that_cannot_forget_a_part_are_served_too() {
    let mut bench = Bench::of(2, true);
    let prompt: Vec<u32> = (1..40).collect();
    for length in [30, 39, 20] {
        let reader = bench.ask(&prompt[..length], 6);
        bench.settle();
        assert_eq!(reader.whole().unwrap().0, [alone(&prompt[..length], 6)]);
    }
}

#[test]
fn a_fault_costs_only_the_answer_that_it_concerns() {
    let mut bench = Bench::new(3);
    let prompts = [vec![1, 2, 3], vec![9, 8, 7], vec![4, 4, 4]];
    let readers: Vec<Reader> = prompts.iter().map(|prompt| bench.ask(prompt, 8)).collect();
    bench.scheduler.step();
    bench.script().broken = Some(1);
    bench.settle();
    let mut results: Vec<_> = readers.into_iter().map(Reader::whole).collect();
    // Slots are given in order, so the second prompt sits in the second sequence.
    let failure = results.remove(1).unwrap_err();
    assert_eq!((failure.kind, failure.detail.as_deref()), (Kind::Internal, Some("on command")));
    assert_eq!(results[0].as_ref().unwrap().0, [alone(&prompts[0], 8)]);
    assert_eq!(results[1].as_ref().unwrap().0, [alone(&prompts[2], 8)]);
    bench.script().broken = None;
    let after = bench.ask(&prompts[1], 8);
    bench.settle();
    assert_eq!(after.whole().unwrap().0, [alone(&prompts[1], 8)]);
}

#[test]
fn slots_without_an_answer_make_room() {
    let mut bench = Bench::new(2);
    let _ = bench.ask(&[1, 2, 3], 2);
    let first = bench.ask(&[6, 6, 6], 2);
    bench.settle();
    drop(first);
    let reader = bench.ask(&[9, 9, 9], 6);
    bench.script().full = true;
    bench.settle();
    assert_eq!(reader.whole().unwrap().0, [alone(&[9, 9, 9], 6)]);
    assert!(bench.scheduler.slots.iter().filter(|slot| slot.held.is_empty()).count() == 1);
}

#[test]
fn a_panic_fails_those_in_the_making_and_nobody_else() {
    let bench = Bench::new(1);
    let poisoned = bench.ask(&[1, 2, 63], 4);
    let next = bench.ask(&[5, 5], 4);
    bench.script().poison = Some(63);
    let Bench { scheduler, queue, .. } = bench;
    queue.close();
    scheduler.run();
    assert_eq!(poisoned.whole().unwrap_err().kind, Kind::Internal);
    // The tokens of the second answer never spell the poison.
    assert!(!alone(&[5, 5], 4).contains(letter(63)));
    assert_eq!(next.whole().unwrap().0, [alone(&[5, 5], 4)]);
}

#[test]
fn given_tokens_are_scored_a_few_at_a_time() {
    let mut bench = Bench::new(2);
    let prompt = {
        let mut tokens = talkative(30);
        (0..30).for_each(|_| tokens.push(successor(&tokens)));
        tokens
    };
    let mut reader = bench.ask_for(&prompt, 0, 1, Some(3));
    bench.settle();
    let Ok(Ok(Event::Text { logprobs, .. })) = reader.0.try_recv() else { panic!("no scores") };
    assert_eq!(logprobs.len(), 30);
    for (scored, &token) in logprobs.iter().zip(&prompt[3..]) {
        assert_eq!(scored.bytes, letter(token).to_string().into_bytes());
        // The model would have said the same: the token leads its alternatives.
        assert_eq!((&scored.top[0].0, scored.top[0].1), (&scored.bytes, scored.logprob));
        assert_eq!(scored.top.len(), 2);
    }
    let (_, usage) = reader.whole().unwrap();
    assert_eq!((usage.input(), usage.text_output), (33, 0));
    assert!(bench.script().widest_output <= LIMITS.scored);
}

#[test]
fn prompts_that_are_scored_side_by_side_share_the_outputs_of_a_batch() {
    let mut bench = Bench::new(4);
    let prompts: Vec<Vec<u32>> = (1..5).map(|token| vec![token; 30]).collect();
    let readers: Vec<Reader> =
        prompts.iter().map(|prompt| bench.ask_for(prompt, 0, 1, Some(1))).collect();
    bench.settle();
    for mut reader in readers {
        let Ok(Ok(Event::Text { logprobs, .. })) = reader.0.try_recv() else { panic!("no scores") };
        assert_eq!(logprobs.len(), 29);
    }
    assert_eq!(bench.script().widest_output, LIMITS.scored);
}

proptest! {
    /// Whatever comes and goes, each answer that is read to its end is the one made alone.
    #[test]
    fn nothing_mixes_answers_up(
        slots in 1_usize..5,
        whole_only: bool,
        requests in prop::collection::vec(
            (prop::collection::vec(1_u32..4, 1..60), 0_usize..15, 1_u32..4, 0_usize..4, any::<bool>()),
            1..25,
        ),
    ) {
        let mut bench = Bench::of(slots, whole_only);
        let mut readers = Vec::new();
        for (prompt, max_tokens, choices, steps, leaves) in &requests {
            let reader = bench.ask_for(prompt, *max_tokens, *choices, None);
            readers.push((!leaves).then_some(reader));
            (0..*steps).for_each(|_| bench.scheduler.step());
        }
        bench.settle();
        prop_assert_eq!(bench.busy(), 0);
        for ((prompt, max_tokens, choices, ..), reader) in requests.iter().zip(readers) {
            let Some(reader) = reader else { continue };
            let (texts, usage) = reader.whole().unwrap();
            let expected = alone(prompt, *max_tokens);
            prop_assert_eq!(usage.text_output, u64::from(*choices) * expected.len() as u64);
            prop_assert_eq!(usage.input(), prompt.len() as u64);
            prop_assert_eq!(texts, vec![expected; *choices as usize]);
        }
    }
}
