//! A caller of a house: what is asked, and all that is told.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body_util::{BodyExt, Full};
use isthmus_gateway::http::render;
use isthmus_gateway::pipeline::settle::{Outcome, Ticket};
use isthmus_gateway::pipeline::{self, Call};
use isthmus_inference::request::{Dialect, Operation};
use tokio::time::Instant;

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
    let messages = r#"[{"role":"user","content":"x"}]"#;
    let body = format!(r#"{{"model":"chat","messages":{messages}{members}}}"#);
    let header = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), value.parse().unwrap())
    };
    let arrived = Instant::now();
    let call = Call {
        id: "test".into(),
        arrived,
        operation: Operation::Chat,
        dialect: Dialect::OpenAi,
        headers: headers.iter().map(header).collect(),
        query: None,
        deadline: arrived + time,
    };
    let app = &house.app;
    let mut ticket = Ticket::open(&app.metrics, &app.reaper, &call);
    let response = match pipeline::run(app, call, Full::new(Bytes::from(body)), &mut ticket).await {
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
