//! Landlock without a single exception: no file, no port, no signal to others.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope,
};

use super::JailError;

/// What is asked for; a kernel that knows less gives what it knows, and the report says so.
const WANTED: ABI = ABI::V6;

pub(super) fn everything() -> Result<(), JailError> {
    let partial = |error: landlock::RulesetError| JailError::Partial(error.to_string());
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(WANTED)))
        .and_then(|rules| rules.scope(Scope::from_all(WANTED)))
        .and_then(Ruleset::create)
        .map_err(partial)?
        .restrict_self()
        .map_err(partial)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(JailError::Partial("this kernel has no landlock".into())),
        _ if std::fs::read_dir("/").is_ok() => Err(JailError::NoEffect("the root can be listed")),
        RulesetStatus::PartiallyEnforced => {
            Err(JailError::Partial("this kernel has only a part of it".into()))
        }
        RulesetStatus::FullyEnforced => Ok(()),
    }
}
