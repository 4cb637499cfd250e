//! Prices of a house at work: list prices change with the day, and a rate of exchange that is too old
//! tells no price any more.

use std::sync::Arc;
use std::time::Duration;

use isthmus_config::settings::Settings;
use isthmus_config::settings::charging::Unpriced;
use isthmus_ledger::books::Books;
use isthmus_ledger::store::StoreError;
use isthmus_policies::offer::Pricing;

use crate::app::App;
use crate::books::keep_prices;
use crate::keyring::now;
use crate::prices;
use crate::telemetry::events::prices::{EndpointUnpriced, PricesNotKept};

/// Prices endpoints again whenever that may come to something else.
pub struct Repricing {
    /// As they were priced last.
    settings: Settings,
}

/// Waits are no longer than this: clocks are set.
const LONGEST: Duration = Duration::from_hours(1);
/// How long is waited where the books did not take a price.
const PAUSE: Duration = Duration::from_secs(10);

impl Repricing {
    /// Of these settings, whose prices are those of some moment.
    pub fn of(settings: Settings) -> Self {
        Self { settings }
    }

    /// Prices, again and again; never returns.
    pub async fn run(mut self, app: Arc<App>, books: impl Books) {
        let mut wait = self.wait(now());
        loop {
            tokio::time::sleep(wait).await;
            wait = match self.again(&app, &books).await {
                Ok(()) => self.wait(now()),
                Err(error) => {
                    PricesNotKept { error: &error }.emit();
                    PAUSE
                }
            };
        }
    }

    /// Prices as of now. A price is kept before anything is charged by it, so that any cost can be
    /// computed again.
    pub async fn again(&mut self, app: &App, books: &impl Books) -> Result<(), StoreError> {
        let mut settings = self.settings.clone();
        let unpriced = prices::fill_in(&mut settings);
        keep_prices(&settings, books).await?;
        app.directory.reprice(&settings);
        for Unpriced { endpoint, reason } in &unpriced {
            let before = self.settings.endpoints.get(endpoint);
            // Who had no price before was told of before.
            if before.is_some_and(|before| before.pricing() != Pricing::Unknown) {
                EndpointUnpriced { endpoint, reason }.emit();
            }
        }
        self.settings = settings;
        Ok(())
    }

    fn wait(&self, now: i64) -> Duration {
        let left = self.settings.prices_hold_until(now).saturating_sub(now);
        // A second at least: moments are whole seconds.
        Duration::from_secs(left.unsigned_abs().max(1)).min(LONGEST)
    }
}
