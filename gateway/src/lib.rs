//! The gateway: the only room with doors to the street. It joins the others.
//!
//! * [`cli`]: the commands
//! * [`app`]: settings become a running house
//! * [`http`]: the doors: tables of URLs, rendering
//! * [`pipeline`]: the one path that every call takes
//! * [`directory`], [`keyring`]: which endpoints stand behind a name, who may call
//! * [`embedded`], [`hub`]: the engine behind the adapters' seam, and where its model comes from
//! * [`telemetry`]: log lines and metrics from typed events

pub mod app;
pub mod classifier;
pub mod cli;
pub mod directory;
pub mod embedded;
pub mod http;
pub mod hub;
pub mod keyring;
pub mod pipeline;
pub mod telemetry;
