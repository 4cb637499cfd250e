//! Where one message ends and the next begins, on connections that carry many.

pub mod aws_event_stream;
pub mod sse;
