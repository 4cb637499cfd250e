//! Prices of a house at work: list prices change with the day, and a rate of exchange that is too old
//! tells no price any more.

use std::sync::Arc;
use std::time::Duration;

use isthmus_config::settings::Settings;
use isthmus_config::settings::charging::Unpriced;
use isthmus_ledger::books::Books;
use isthmus_ledger::store::StoreError;

use crate::app::App;
use crate::books::keep_prices;
use crate::keyring::now;
use crate::prices;
use crate::telemetry::events::prices::{EndpointUnpriced, PricesNotKept};

/// Prices endpoints again whenever that may come to something else.
pub struct Repricing {
    settings: Settings,
    /// What has no price in dollars, which was told.
    unpriced: Vec<Unpriced>,
}

/// Waits are no longer than this: clocks are set.
const LONGEST: Duration = Duration::from_hours(1);
/// How long is waited where the books did not take a price.
const PAUSE: Duration = Duration::from_secs(10);

impl Repricing {
    /// Of what the settings price now.
    pub fn of(settings: &Settings) -> Self {
        let mut settings = settings.clone();
        let unpriced = prices::fill_in(&mut settings);
        Self { settings, unpriced }
    }

    /// Prices, again and again; never returns.
    pub async fn run(mut self, app: Arc<App>, books: impl Books) {
        loop {
            let wait = match self.again(&app, &books).await {
                Ok(()) => self.wait(now()),
                Err(error) => {
                    PricesNotKept { error: &error }.emit();
                    PAUSE
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// A price is kept before anything is charged by it, so that any cost can be computed again.
    async fn again(&mut self, app: &App, books: &impl Books) -> Result<(), StoreError> {
        let unpriced = prices::fill_in(&mut self.settings);
        keep_prices(&self.settings, books).await?;
        app.directory.reprice(&self.settings);
        for one in unpriced.iter().filter(|one| !self.has_told(one)) {
            EndpointUnpriced { endpoint: &one.endpoint, reason: &one.reason }.emit();
        }
        self.unpriced = unpriced;
        Ok(())
    }

    fn has_told(&self, one: &Unpriced) -> bool {
        self.unpriced.iter().any(|told| told.endpoint == one.endpoint)
    }

    fn wait(&self, now: i64) -> Duration {
        let left = self.settings.prices_hold_until(now).saturating_sub(now);
        // A second at least: moments are whole seconds.
        Duration::from_secs(left.unsigned_abs().max(1)).min(LONGEST)
    }
}
