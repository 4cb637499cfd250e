//! From a request in neutral words to a job for the scheduler: checked, rendered, in tokens.
//!
//! All that can be refused is refused here, before a slot is touched.

use std::ops::RangeInclusive;
use std::sync::Arc;

use isthmus_inference::chat::{ChatRequest, Message, Prompt, Sampling, Tool, ToolChoice};
use isthmus_inference::failure::{Failure, Kind};
use tokio::sync::mpsc::unbounded_channel;

use super::answer::Answer;
use super::grammar::Constraint;
use super::guard::Guard;
use super::job::{Exchange, Job};
use super::model::{Advice, Model};
use super::random::Random;
use super::sampling::{Recipe, Sampler};
use super::scheduler::Lane;
use super::{template, tools};
use crate::EventStream;

/// The most answers to one request.
const MOST_CHOICES: u32 = 128;
/// The most alternatives beside a token, as in OpenAI's API.
const MOST_ALTERNATIVES: u8 = 20;

/// A chat request as a job, and the stream of its events.
pub(crate) fn chat(model: &Model, request: &ChatRequest) -> Result<(Job, EventStream), Failure> {
    check(request, model.info.vocabulary)?;
    let prompt = prompt_tokens(model, request)?;
    let max_tokens = room(model, request, prompt.len())?;
    let pattern = constraint(model, request)?.map(Arc::new);
    let (sender, receiver) = unbounded_channel();
    let mut exchange = Exchange::new(prompt, max_tokens, request.wanted_choices(), sender);
    exchange.top_logprobs = request.top_logprobs.map(usize::from);
    if request.echo {
        exchange.echo = Some(echo(model, request, &exchange.prompt));
        exchange.scored_from = request.top_logprobs.map(|_| 1);
    }
    let exchange = Arc::new(exchange);
    let lanes = (0..request.wanted_choices()).map(|choice| {
        let recipe = recipe(&request.sampling, model.advice);
        let sampler = Sampler::new(recipe, random(request.sampling.seed, choice));
        let stops: Vec<String> =
            request.sampling.stop.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        let answer = Answer::new(choice, &stops, !offered_tools(request).is_empty());
        Lane::new(exchange.clone(), choice, sampler, pattern.clone(), answer)
    });
    Ok((Job(lanes.collect()), EventStream::new(receiver)))
}

/// A job that reads a prompt and scores its tokens from one on.
pub(crate) fn score(
    model: &Model,
    prompt: &Prompt,
    from: usize,
    top: u8,
) -> Result<(Job, EventStream), Failure> {
    let request = ChatRequest {
        prompt: prompt.clone(),
        choices: 1,
        top_logprobs: Some(top),
        ..ChatRequest::default()
    };
    check(&request, model.info.vocabulary)?;
    let prompt = prompt_tokens(model, &request)?;
    fits(model, &request, prompt.len(), None)?;
    if from == 0 || from >= prompt.len() {
        let message = format!("`from` is {from}; choose 1 to {}", prompt.len() - 1);
        return Err(Failure::invalid("from", message));
    }
    let (sender, receiver) = unbounded_channel();
    let mut exchange = Exchange::new(prompt, 0, 1, sender);
    exchange.top_logprobs = Some(usize::from(top));
    exchange.scored_from = Some(from);
    let sampler = Sampler::new(recipe(&request.sampling, model.advice), random(Some(0), 0));
    let answer = Answer::new(0, &[], false);
    let lane = Lane::new(Arc::new(exchange), 0, sampler, None, answer);
    Ok((Job(vec![lane]), EventStream::new(receiver)))
}

/// The tokens that the model is to read.
pub(crate) fn prompt_tokens(model: &Model, request: &ChatRequest) -> Result<Vec<u32>, Failure> {
    let tokens = match &request.prompt {
        Prompt::Messages(messages) => conversation_tokens(model, request, messages)?,
        Prompt::Text(text) => {
            model.check_size(text.len(), "prompt")?;
            model.framed_tokens(text, true)
        }
        Prompt::Tokens(tokens) => tokens.clone(),
    };
    let vocabulary = model.info.vocabulary;
    if let Some(unknown) = tokens.iter().find(|&&token| token >= vocabulary) {
        let message = format!("`prompt` has the token {unknown}; the model knows {vocabulary}");
        return Err(Failure::invalid("prompt", message));
    }
    if tokens.is_empty() {
        return Err(Failure::invalid("prompt", "`prompt` is empty; send at least one token"));
    }
    Ok(tokens)
}

/// The tokens of a conversation. Its size is looked at twice: before anything is done with it, and
/// when the template has put in its own words and the tools.
fn conversation_tokens(
    model: &Model,
    request: &ChatRequest,
    messages: &[Message],
) -> Result<Vec<u32>, Failure> {
    let template = model.template.as_ref().map_err(|reason| {
        Failure::new(Kind::Unsupported, reason.as_str()).with_param("messages")
    })?;
    model.check_size(messages.iter().map(template::size).sum(), "messages")?;
    let guard = Guard::new(&model.control);
    let tools = offered_tools(request);
    let text = if request.continued {
        template.render_open(messages, tools, &guard)?
    } else {
        template.render(messages, tools, &guard)?
    };
    let pieces = guard.pieces(&text);
    model.check_size(pieces.iter().map(|piece| piece.text.len()).sum(), "messages")?;
    let tokens = pieces.into_iter().flat_map(|piece| model.tokens(piece.text, piece.marked));
    let mut tokens: Vec<u32> = tokens.collect();
    if let Some(begin) = model.begin().filter(|begin| tokens.first() != Some(begin)) {
        tokens.insert(0, begin);
    }
    Ok(tokens)
}

/// The tools that the model is told of.
fn offered_tools(request: &ChatRequest) -> &[Tool] {
    if request.tool_choice == ToolChoice::None { &[] } else { &request.tools }
}

fn echo(model: &Model, request: &ChatRequest, prompt: &[u32]) -> String {
    match &request.prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Messages(_) | Prompt::Tokens(_) => model.text(prompt),
    }
}

/// A demanded call shapes the answer before `response_format` does.
fn constraint(model: &Model, request: &ChatRequest) -> Result<Option<Constraint>, Failure> {
    match tools::demanded(&request.tools, &request.tool_choice)? {
        Some(lark) => model.grammars.of_tools(&model.llama, lark).map(Some),
        None => model.grammars.of_format(&model.llama, &request.format),
    }
}

/// How many tokens may be generated.
fn room(model: &Model, request: &ChatRequest, prompt: usize) -> Result<usize, Failure> {
    let wanted = request.sampling.max_tokens.map(|tokens| tokens as usize);
    fits(model, request, prompt, wanted)?;
    Ok(wanted.unwrap_or(model.info.context_window as usize - prompt))
}

fn fits(
    model: &Model,
    request: &ChatRequest,
    prompt: usize,
    wanted: Option<usize>,
) -> Result<(), Failure> {
    let window = model.info.context_window as usize;
    let message = match wanted {
        _ if prompt >= window => format!(
            "the prompt has {prompt} tokens, which leaves no room for an answer in this model's \
             context window of {window}; shorten it"
        ),
        Some(wanted) if prompt + wanted > window => format!(
            "the prompt has {prompt} tokens and `max_tokens` asks for {wanted} more, together \
             {}, but this model's context window is {window}; shorten the prompt or lower \
             `max_tokens`",
            prompt + wanted
        ),
        _ => return Ok(()),
    };
    let param = match request.prompt {
        Prompt::Messages(_) => "messages",
        Prompt::Text(_) | Prompt::Tokens(_) => "prompt",
    };
    Err(Failure::new(Kind::ContextLength, message).with_param(param))
}

fn recipe(sampling: &Sampling, advice: Advice) -> Recipe {
    // Whoever sets one of these knows what he wants of the others: the usual meaning of absence.
    let silent = sampling.temperature.is_none() && sampling.top_p.is_none();
    let top_p = if silent { advice.top_p } else { 1.0 };
    let top_k = if silent { advice.top_k } else { 0 };
    Recipe {
        temperature: narrow(sampling.temperature).unwrap_or(if silent {
            advice.temperature
        } else {
            1.0
        }),
        top_p: narrow(sampling.top_p).unwrap_or(top_p),
        top_k: sampling.top_k.unwrap_or(top_k) as usize,
        presence_penalty: sampling.presence_penalty as f32,
        frequency_penalty: sampling.frequency_penalty as f32,
        bias: sampling.logit_bias.clone(),
    }
}

/// Logits have no more digits.
fn narrow(number: Option<f64>) -> Option<f32> {
    number.map(|number| number as f32)
}

/// Each choice draws from a stream of its own; the first one's is that of the seed itself.
fn random(seed: Option<u64>, choice: u32) -> Random {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let seeded = |seed: u64| Random::seeded(seed ^ u64::from(choice).wrapping_mul(SPREAD));
    seed.map_or_else(Random::arbitrary, seeded)
}

fn check(request: &ChatRequest, vocabulary: u32) -> Result<(), Failure> {
    let sampling = &request.sampling;
    if !(1..=MOST_CHOICES).contains(&request.wanted_choices()) {
        let message = format!("`n` is {}; choose 1 to {MOST_CHOICES}", request.choices);
        return Err(Failure::invalid("n", message));
    }
    if !request.native_tools.is_empty() {
        let message = "this model calls functions alone; `tools` may hold no others";
        return Err(Failure::new(Kind::Unsupported, message).with_param("tools"));
    }
    if request.top_logprobs.is_some_and(|count| count > MOST_ALTERNATIVES) {
        let message = format!("`top_logprobs` may be {MOST_ALTERNATIVES} at most");
        return Err(Failure::invalid("top_logprobs", message));
    }
    within("temperature", sampling.temperature, 0.0..=2.0)?;
    within("top_p", sampling.top_p, 0.0..=1.0)?;
    within("presence_penalty", Some(sampling.presence_penalty), -2.0..=2.0)?;
    within("frequency_penalty", Some(sampling.frequency_penalty), -2.0..=2.0)?;
    for &(token, bias) in &sampling.logit_bias {
        within("logit_bias", Some(f64::from(bias)), -100.0..=100.0)?;
        if token >= vocabulary {
            let message =
                format!("`logit_bias` names the token {token}; the model knows {vocabulary}");
            return Err(Failure::invalid("logit_bias", message));
        }
    }
    Ok(())
}

fn within(name: &str, value: Option<f64>, range: RangeInclusive<f64>) -> Result<(), Failure> {
    match value {
        // NaN is in no range.
        Some(value) if !range.contains(&value) => {
            let (low, high) = range.into_inner();
            let message = format!("`{name}` is {value}; choose {low} to {high}");
            Err(Failure::invalid(name, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::chat::NativeTool;
    use isthmus_inference::part::formats;
    use serde_json::Value;

    use super::*;

    const ADVICE: Advice = Advice { temperature: 0.6, top_p: 0.9, top_k: 40 };

    #[test]
    fn the_makers_advice_holds_only_for_those_who_say_nothing() {
        let silent = recipe(&Sampling::default(), ADVICE);
        assert_eq!((silent.temperature, silent.top_p, silent.top_k), (0.6, 0.9, 40));
        let spoken = recipe(&Sampling { temperature: Some(0.0), ..Sampling::default() }, ADVICE);
        assert_eq!((spoken.temperature, spoken.top_p, spoken.top_k), (0.0, 1.0, 0));
        let nucleus = recipe(&Sampling { top_p: Some(0.5), ..Sampling::default() }, ADVICE);
        assert_eq!((nucleus.temperature, nucleus.top_p, nucleus.top_k), (1.0, 0.5, 0));
        let unlimited = recipe(&Sampling { top_k: Some(0), ..Sampling::default() }, ADVICE);
        assert_eq!((unlimited.temperature, unlimited.top_k), (0.6, 0));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let request = |sampling| ChatRequest { sampling, choices: 1, ..ChatRequest::default() };
        let cases = [
            ("temperature", Sampling { temperature: Some(-0.1), ..Sampling::default() }),
            ("temperature", Sampling { temperature: Some(f64::NAN), ..Sampling::default() }),
            ("top_p", Sampling { top_p: Some(1.5), ..Sampling::default() }),
            ("presence_penalty", Sampling { presence_penalty: 3.0, ..Sampling::default() }),
            ("frequency_penalty", Sampling { frequency_penalty: -3.0, ..Sampling::default() }),
            ("logit_bias", Sampling { logit_bias: vec![(1, 200.0)], ..Sampling::default() }),
            ("logit_bias", Sampling { logit_bias: vec![(9, 1.0)], ..Sampling::default() }),
        ];
        for (param, sampling) in cases {
            let failure = check(&request(sampling), 9).unwrap_err();
            assert_eq!(failure.param.as_deref(), Some(param));
            assert!(failure.message.contains(param), "{}", failure.message);
        }
        assert!(check(&request(Sampling::default()), 9).is_ok());
        let many = ChatRequest { choices: MOST_CHOICES + 1, ..ChatRequest::default() };
        assert_eq!(check(&many, 9).unwrap_err().param.as_deref(), Some("n"));
    }

    #[test]
    fn tools_that_a_provider_would_run_are_refused() {
        let native = NativeTool { format: formats::OPENAI_CHAT, value: Value::Null };
        let searching = ChatRequest { native_tools: vec![native], ..ChatRequest::default() };
        assert_eq!(check(&searching, 9).unwrap_err().kind, Kind::Unsupported);
    }

    #[test]
    fn choices_draw_from_streams_of_their_own() {
        assert_eq!(random(Some(7), 0).next(), Random::seeded(7).next());
        assert_ne!(random(Some(7), 1).next(), random(Some(8), 0).next());
    }
}
