//! Follows the folders of policies while the house runs: what is right comes into force, at once or
//! by way of a trial; what is wrong is complained of, and the last good policies stay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use isthmus_inference::date::Date;
use isthmus_policies::permit::{Bundle, CatalogueError, Source};
use isthmus_policies::rollout::{RolloutRules, Step};

use super::{Edition, Editions, Permits, Shadow, Trial};
use crate::app::App;
use crate::directory::Directory;
use crate::policy_files::{self, PolicyError};
use crate::telemetry::events::policies::{
    PoliciesChanged, PoliciesNotLoaded, PoliciesOnTrial, PoliciesRolledBack, ShadowChanged,
};

/// The folders, and what was last found in them.
pub struct Watch {
    live: Option<Folder>,
    shadow: Option<Folder>,
    rules: RolloutRules,
}

/// One folder of policies.
struct Folder {
    path: PathBuf,
    last: Vec<Source>,
}

/// Why an edition cannot be made.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum Unusable {
    /// The folder holds no usable policies.
    Policies(#[from] PolicyError),
    /// The endpoints cannot be judged.
    Catalogue(#[from] CatalogueError),
}

/// How often the folders are looked at.
const EVERY: Duration = Duration::from_secs(1);

// === impl Watch ===

impl Watch {
    /// Nothing was read yet.
    pub fn new(live: Option<PathBuf>, shadow: Option<PathBuf>, rules: RolloutRules) -> Self {
        let folder = |path| Folder { path, last: vec![] };
        Self { live: live.map(folder), shadow: shadow.map(folder), rules }
    }

    /// Reads both folders for the start, where anything wrong is a reason not to.
    pub fn start(&mut self, directory: &Directory, today: Date) -> Result<Permits, Unusable> {
        let live = match &mut self.live {
            Some(folder) => folder.read()?,
            None => Arc::new(Bundle::builtin()),
        };
        let permits = Permits::new(edition(live, directory, today)?);
        if let Some(folder) = &mut self.shadow {
            let shadow = Arc::new(edition(folder.read()?, directory, today)?);
            let shadow = Some(Arc::new(Shadow::new(shadow)));
            permits.replace(Editions { shadow, ..(*permits.editions()).clone() });
        }
        Ok(permits)
    }

    /// Looks at the folders and at the calendar for as long as the house stands.
    pub async fn run(mut self, app: Arc<App>) {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            let app = Arc::clone(&app);
            let looked = tokio::task::spawn_blocking(move || {
                self.look(&app.permits, &app.directory, crate::calendar::today());
                self
            });
            match looked.await {
                Ok(watch) => self = watch,
                // Only a defect ends it, and the policies in force stay.
                Err(_) => return,
            }
        }
    }

    /// One look.
    fn look(&mut self, permits: &Permits, directory: &Directory, today: Date) {
        let rules = self.rules;
        let live = self.live.as_mut().and_then(Folder::changed).map(|found| {
            found.and_then(|bundle| candidate(bundle, rules, permits, directory, today))
        });
        let shadow = self.shadow.as_mut().and_then(Folder::changed).map(|found| {
            found.and_then(|bundle| into_the_shadow(bundle, permits, directory, today))
        });
        step(permits);
        let another_day = permits.editions().live.day() != today;
        let renewed = another_day.then(|| renew(permits, directory, today));
        for error in [live, shadow, renewed].into_iter().flatten().filter_map(Result::err) {
            PoliciesNotLoaded { error: &error }.emit();
        }
    }
}

/// Other policies than before: they come into force, or on trial. What is withdrawn stays so until
/// the folder changes again.
fn candidate(
    bundle: Arc<Bundle>,
    rules: RolloutRules,
    permits: &Permits,
    directory: &Directory,
    today: Date,
) -> Result<(), Unusable> {
    let now = permits.editions();
    if bundle.version() == now.live.version() {
        permits.replace(Editions { trial: None, ..(*now).clone() });
        return Ok(());
    }
    let edition = Arc::new(edition(bundle, directory, today)?);
    if rules.hold.is_zero() {
        promote(permits, edition);
    } else {
        PoliciesOnTrial { version: edition.version(), percent: rules.percent }.emit();
        let trial = Some(Arc::new(Trial::new(edition, rules)));
        permits.replace(Editions { trial, ..(*now).clone() });
    }
    Ok(())
}

/// Goes on with a trial, or ends it.
fn step(permits: &Permits) {
    let now = permits.editions();
    let Some(trial) = &now.trial else { return };
    match trial.step() {
        Step::Hold => {}
        Step::Promote => promote(permits, Arc::clone(&trial.edition)),
        Step::RollBack => {
            PoliciesRolledBack { version: trial.edition.version(), tally: trial.tally() }.emit();
            permits.replace(Editions { trial: None, ..(*now).clone() });
        }
    }
}

/// Puts an edition in force for everyone.
fn promote(permits: &Permits, edition: Arc<Edition>) {
    let now = permits.editions();
    PoliciesChanged { from: now.live.version(), to: edition.version() }.emit();
    permits.replace(Editions { live: edition, trial: None, ..(*now).clone() });
}

fn into_the_shadow(
    bundle: Arc<Bundle>,
    permits: &Permits,
    directory: &Directory,
    today: Date,
) -> Result<(), Unusable> {
    let shadow = Arc::new(edition(bundle, directory, today)?);
    ShadowChanged { version: shadow.version() }.emit();
    let shadow = Some(Arc::new(Shadow::new(shadow)));
    permits.replace(Editions { shadow, ..(*permits.editions()).clone() });
    Ok(())
}

/// The same policies over the facts of another day.
fn renew(permits: &Permits, directory: &Directory, today: Date) -> Result<(), Unusable> {
    let now = permits.editions();
    let again = |old: &Edition| edition(Arc::clone(old.bundle()), directory, today).map(Arc::new);
    let live = again(&now.live)?;
    let trial = match &now.trial {
        Some(trial) => Some(Arc::new(trial.over(again(&trial.edition)?))),
        None => None,
    };
    let shadow = match &now.shadow {
        Some(shadow) => Some(Arc::new(shadow.over(again(&shadow.edition)?))),
        None => None,
    };
    permits.replace(Editions { live, trial, shadow });
    Ok(())
}

/// Policies over all that the directory has.
fn edition(bundle: Arc<Bundle>, directory: &Directory, day: Date) -> Result<Edition, Unusable> {
    let catalogues: Vec<_> = directory.pools().map(|pool| (&pool.name, pool.catalogue())).collect();
    let pools = catalogues.iter().map(|(name, catalogue)| (*name, catalogue.as_slice()));
    Ok(Edition::new(bundle, pools, day)?)
}

// === impl Folder ===

impl Folder {
    /// What is in it now.
    fn read(&mut self) -> Result<Arc<Bundle>, Unusable> {
        let sources = policy_files::sources(&self.path)?;
        let bundle = Bundle::read(&sources).map_err(PolicyError::Wrong);
        self.last = sources;
        Ok(Arc::new(bundle?))
    }

    /// What is in it now, if that is not what was there before. A folder that cannot be read is
    /// complained of once, too.
    fn changed(&mut self) -> Option<Result<Arc<Bundle>, Unusable>> {
        match policy_files::sources(&self.path) {
            Ok(sources) if sources == self.last => None,
            Ok(sources) => {
                let bundle = Bundle::read(&sources).map(Arc::new).map_err(PolicyError::Wrong);
                self.last = sources;
                Some(bundle.map_err(Unusable::from))
            }
            Err(_) if self.last.is_empty() => None,
            Err(error) => {
                self.last.clear();
                Some(Err(error.into()))
            }
        }
    }
}
