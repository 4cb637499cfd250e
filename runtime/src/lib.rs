//! The engine in this process: a GGUF model, its tokens, its probabilities.
//!
//! [`Engine`] is the only door. It takes the neutral words of `isthmus-inference`, so the rest of
//! the house cannot tell this room from a provider on the other side of the world, but for one
//! thing that no provider offers: [`Engine::score`], the probability of tokens that somebody else
//! says to have generated.
//!
//! All that touches llama.cpp sits behind the feature `embedded`. Without it the same types remain
//! and every load says that this build has no engine.
//!
//! * [`settings`]: what may be chosen, and why a load fails
//! * [`engine`]: the handle, cheap to clone
//! * [`info`]: what is known of a loaded model, and how busy it is
//! * [`events`]: an answer in the making
//! * `embedded/`: the engine itself; begin with `embedded/scheduler.rs`

#[cfg(not(feature = "embedded"))]
mod absent;
#[cfg(feature = "embedded")]
mod embedded;
pub mod engine;
pub mod events;
pub mod info;
pub mod settings;

#[cfg(not(feature = "embedded"))]
use absent::Backing;
#[cfg(feature = "embedded")]
use embedded::Backing;

pub use engine::{Engine, Score};
pub use events::EventStream;
pub use info::{LoadState, ModelInfo};
pub use settings::{EngineSettings, LoadError};
