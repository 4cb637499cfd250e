//! Load, mock upstreams and side-by-side figures.
//!
//! The question is what a gateway *costs*, compared with a proxy that everyone knows. So one program
//! holds it all: a mock upstream ([`mock`]), a generator ([`load`], [`idle`]) and a referee
//! ([`compare`]) that runs each case through every target in turn and reports ratios. It speaks
//! HTTP to the targets and knows nothing else of them.
//!
//! The mock and the generator share one thread on one core; the measured proxy has another core for
//! itself. A case is a folder of data (`cases/NAME/case.json`): a new case needs no code.

pub mod case;
pub mod compare;
pub mod events;
pub mod fault;
pub mod figures;
pub mod http1;
pub mod idle;
pub mod lab;
pub mod load;
pub mod mock;
pub mod pin;
pub mod process;
pub mod relay;
pub mod request;
pub mod schedule;
pub mod table;
pub mod tally;
pub mod target;
