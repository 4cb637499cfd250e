//! Vectors, in another language than the caller's: in several calls where one takes too few inputs.

use std::iter;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::usage::{Source, Usage};

use super::line::Outgoing;
use super::{HttpAdapter, allowed, limits};
use crate::adapter::{Answer, Attempt, Content, Timeouts, Whole};
use crate::dialect::EmbeddingDialect;
use crate::dialects::caller;
use crate::service::{Route, Service};
use crate::timeouts::Deadlines;

/// How many calls for one request are under way at once.
const AT_ONCE: usize = 8;

/// What one of the calls came to.
struct Told {
    answer: EmbeddingAnswer,
    dropped: Vec<String>,
    request_id: Option<String>,
}

impl<S: Service> HttpAdapter<S> {
    pub(super) async fn embed(&self, attempt: Attempt) -> Result<Answer, Failure> {
        let request = &attempt.request;
        let wanted = caller(request.dialect).embedding(request)?;
        let count = wanted.inputs.len();
        let most = self.service.embeddings(&attempt.model, count)?.dialect.most_inputs();
        let limits = limits(&attempt);
        let deadlines = Deadlines::from_now(&limits);
        let parts = parted(wanted, most);
        let calls = parts.into_iter().map(|part| self.part(part, &attempt, &limits, deadlines));
        let told: Vec<Told> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
        let Some((mut answer, dropped, upstream_request_id)) = joined(told) else {
            return Err(Failure::new(Kind::Internal, "a request for vectors made no call"));
        };
        if answer.usage.source == Source::Estimated {
            answer.usage = Usage::of_answer(0).with_asked(request.rough_tokens());
        }
        let (usage, content) = (answer.usage, Content::Embedding(answer));
        Ok(Whole { content, usage, upstream_request_id, dropped }.into())
    }

    async fn part(
        &self,
        part: EmbeddingRequest,
        attempt: &Attempt,
        limits: &Timeouts,
        deadlines: Deadlines,
    ) -> Result<Told, Failure> {
        let route: Route<'_, dyn EmbeddingDialect> =
            self.service.embeddings(&attempt.model, part.inputs.len())?;
        let dialect = route.dialect;
        let mut encoded = dialect.encode(&part, &attempt.model)?;
        let dropped = allowed(std::mem::take(&mut encoded.dropped), part.require_parameters)?;
        let outgoing = Outgoing { deadlines, ..Outgoing::post(&route.target, encoded, limits) };
        let told = self.line.whole(outgoing, |refused| dialect.failure(refused)).await?;
        let answer = dialect.decode(&told.headers, &told.body);
        let answer = answer.map_err(|failure| self.struck(failure))?;
        if answer.vectors.len() != part.inputs.len() {
            let message = "the provider's answer has another number of vectors than was asked for";
            return Err(Failure::new(Kind::Malformed, message));
        }
        Ok(Told { answer, dropped, request_id: told.request_id })
    }
}

/// The request in parts of at most so many inputs, in order.
fn parted(mut wanted: EmbeddingRequest, most: usize) -> Vec<EmbeddingRequest> {
    if wanted.inputs.len() <= most {
        return vec![wanted];
    }
    let mut inputs = std::mem::take(&mut wanted.inputs).into_iter();
    let parts = iter::from_fn(|| {
        let part: Vec<_> = inputs.by_ref().take(most.max(1)).collect();
        (!part.is_empty()).then(|| EmbeddingRequest { inputs: part, ..wanted.clone() })
    });
    parts.collect()
}

/// The answers as one, with what was left out and the id of the first.
fn joined(told: Vec<Told>) -> Option<(EmbeddingAnswer, Vec<String>, Option<String>)> {
    let mut told = told.into_iter();
    let Told { mut answer, dropped, request_id } = told.next()?;
    for next in told {
        answer.vectors.extend(next.answer.vectors);
        answer.usage += next.answer.usage;
    }
    Some((answer, dropped, request_id))
}

#[cfg(test)]
mod tests {
    use isthmus_inference::embedding::EmbeddingInput;

    use super::*;

    #[test]
    fn parts_keep_the_order_and_the_wishes() {
        let input = |at: usize| EmbeddingInput::Text(at.to_string());
        for (count, most, expected) in
            [(5, 2, vec![2, 2, 1]), (4, 4, vec![4]), (3, usize::MAX, vec![3]), (2, 0, vec![1, 1])]
        {
            let inputs: Vec<_> = (0..count).map(input).collect();
            let wanted = EmbeddingRequest {
                inputs: inputs.clone(),
                dimensions: Some(8),
                ..EmbeddingRequest::default()
            };
            let parts = parted(wanted, most);
            let counts: Vec<_> = parts.iter().map(|part| part.inputs.len()).collect();
            assert_eq!(counts, expected);
            assert!(parts.iter().all(|part| part.dimensions == Some(8)));
            let joined: Vec<_> = parts.into_iter().flat_map(|part| part.inputs).collect();
            assert_eq!(joined, inputs);
        }
    }
}
