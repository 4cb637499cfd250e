//! A caller of a house: what is asked, and all that is told.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use http_body_util::BodyExt;
use isthmus_gateway::http::render;
use isthmus_gateway::pipeline::settle::Outcome;

use crate::scripted::House;

/// What a caller is told.
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn cache(&self) -> &str {
        self.header("x-isthmus-cache")
    }

    pub(crate) fn id(&self) -> &str {
        self.body.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap()
    }
}

pub(crate) async fn ask(house: &House, members: &str) -> Heard {
    ask_with(house, members, &[], Duration::from_mins(1)).await
}

pub(crate) async fn ask_with(
    house: &House,
    members: &str,
    headers: &[(&'static str, &str)],
    time: Duration,
) -> Heard {
    let header = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), value.parse().unwrap())
    };
    let app = &house.app;
    let headers = headers.iter().map(header).collect();
    let (answer, ticket) = house.run("chat", members, headers, time).await;
    let response = match answer {
        Ok(answer) => {
            let (response, release) = render::answer(app, answer, ticket);
            release.granted().await.unwrap();
            response
        }
        Err(failure) => {
            let response = render::refusal(&failure, ticket.record());
            drop(ticket.settle(&app.metrics, Outcome::Failed(&failure)));
            response
        }
    };
    let (head, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Heard { status: head.status.as_u16(), headers: head.headers, body }
}
