//! The gateway: the only room with doors to the street. It joins the others.
//!
//! * [`cli`]: the commands
//! * [`app`]: settings become a running house
//! * [`http`]: the doors: tables of URLs, rendering
//! * [`pipeline`]: the one path that every call takes
//! * [`quota`]: budgets and rates, and who keeps their sums
//! * [`cache`]: answers that were given before
//! * [`directory`], [`keyring`]: which endpoints stand behind a name, who may call
//! * [`permits`]: what policy permits, version by version
//! * [`explain`], [`decision_log`]: a decision, told; and written down
//! * [`catalogue`], [`policy_files`]: what policies see of the endpoints, and the policies
//! * [`pool`], [`prices`]: a name's endpoints; what models cost that nobody priced
//! * [`embedded`], [`hub`]: the engine behind the adapters' seam, and where its model comes from
//! * [`replay`]: logged decisions, made anew under other policies
//! * [`report`]: what the books tell, as it is asked for
//! * [`proofs`]: what policies can never do, proved by a solver
//! * [`telemetry`]: log lines and metrics from typed events

pub mod app;
pub mod books;
pub mod cache;
pub mod calendar;
pub mod catalogue;
pub mod classifier;
pub mod cli;
pub mod decision_log;
pub mod directory;
pub mod embedded;
pub mod explain;
pub mod http;
pub mod hub;
pub mod ids;
pub mod keyring;
pub mod keys;
pub mod permits;
pub mod pipeline;
pub mod policy_files;
pub mod pool;
pub mod prices;
pub mod proofs;
pub mod quota;
pub mod replay;
pub mod report;
pub mod repricing;
pub mod telemetry;
