//! What comes in from the street, handed to whoever answers it.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;

use super::reply::Reply;
use super::{CALLS, Pages, door, openai};
use crate::app::App;

/// Answers at the street door.
#[derive(Clone)]
pub struct Street {
    /// What calls need.
    pub app: Arc<App>,
    /// All that is no call.
    pub pages: Pages,
}

impl Service<Request<Incoming>> for Street {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Reply>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path();
        let Some(&(_, dialect, operation)) = CALLS.iter().find(|(call, ..)| *call == path) else {
            return self.pages.call(request).map_ok(|page| page.map(Reply::Page)).boxed();
        };
        if request.method() != Method::POST {
            let mut response = openai::not_that_way(&request);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return async { Ok(response) }.boxed();
        }
        let app = Arc::clone(&self.app);
        door::answer(app, dialect, operation, request).map(Ok).boxed()
    }
}
