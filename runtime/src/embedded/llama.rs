//! llama.cpp as the scheduler's [`Core`].

use std::num::NonZeroU32;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::core::{Cell, Core, Fault};
use super::model::Model;
use super::native;
use super::scheduler::Limits;
use crate::LoadError;

/// A model with memory for some sequences.
pub(crate) struct LlamaCore<'a> {
    model: &'a Model,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    shares_prefixes: bool,
}

// === impl LlamaCore ===

impl<'a> LlamaCore<'a> {
    /// Reserves memory for as many sequences as the model is to have slots, each as long as the
    /// window, and for one that only fills batches up. The cache is unified: sequences can share
    /// cells, which is what makes a common prefix free.
    pub(crate) fn new(model: &'a Model, limits: Limits, threads: u32) -> Result<Self, LoadError> {
        let (slots, window) = (model.info.slots, model.info.context_window);
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(slots * window + slots))
            .with_n_seq_max(slots + 1)
            .with_kv_unified(true)
            .with_n_batch(limits.batch as u32)
            .with_n_ubatch(limits.batch as u32)
            .with_n_threads(threads as i32)
            .with_n_threads_batch(threads as i32);
        let backend = native::backend().map_err(LoadError::Settings)?;
        native::complaint();
        let context = model.llama.new_context(backend, parameters).map_err(|_| {
            LoadError::Settings(format!(
                "no memory for {slots} slots of {window} tokens: {}; lower `slots` or \
                 `context_window`",
                native::complaint()
            ))
        })?;
        let shares_prefixes = !model.llama.is_recurrent() && !model.llama.is_hybrid();
        let batch = LlamaBatch::new(limits.batch, 1);
        Ok(Self { model, context, batch, shares_prefixes })
    }
}

impl Core for LlamaCore<'_> {
    fn decode(&mut self, cells: &[Cell]) -> Result<(), Fault> {
        self.batch.clear();
        for cell in cells {
            let (token, place) = (LlamaToken(cell.token as i32), cell.position as i32);
            self.batch
                .add(token, place, &[cell.sequence as i32], cell.output)
                .map_err(|reason| Fault::Broken(reason.to_string()))?;
        }
        self.context.decode(&mut self.batch).map_err(|reason| match reason {
            DecodeError::NoKvCacheSlot => Fault::Full,
            other => Fault::Broken(format!("{other}: {}", native::complaint())),
        })
    }

    fn logits(&self, cell: usize) -> &[f32] {
        self.context.get_logits_ith(cell as i32)
    }

    fn truncate(&mut self, sequence: usize, length: usize) -> bool {
        let (sequence, length) = (Some(sequence as u32), Some(length as u32));
        let kept = self.context.clear_kv_cache_seq(sequence, length, None).unwrap_or(false);
        if !kept {
            // Removing a whole sequence never fails (llama.h, `llama_memory_seq_rm`).
            let _ = self.context.clear_kv_cache_seq(sequence, None, None);
        }
        kept
    }

    fn share(&mut self, from: usize, to: usize, length: usize) {
        let (begin, end) = (Some(0), Some(length as u32));
        // Fails only for numbers beyond 31 bits, which no window reaches.
        let _ = self.context.copy_kv_cache_seq(from as i32, to as i32, begin, end);
    }

    fn shares_prefixes(&self) -> bool {
        self.shares_prefixes
    }

    fn shown(&self, token: u32) -> Vec<u8> {
        self.model.llama.vocab().token_to_piece(LlamaToken(token as i32), false, None)
    }

    fn spelt(&self, token: u32) -> Vec<u8> {
        self.model.llama.vocab().token_to_piece(LlamaToken(token as i32), true, None)
    }

    fn is_end(&self, token: u32) -> bool {
        self.model.llama.vocab().is_eog(LlamaToken(token as i32))
    }
}
