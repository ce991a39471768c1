//! `config`: the compose file as it was understood.

use crate::cli::{ConfigArgs, Globals};
use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::{load, report};

pub(super) fn run(globals: &Globals, args: &ConfigArgs) -> Result<ExitStatus> {
    let loaded = load::model(&globals.sources())?;
    loaded.warnings.iter().for_each(|warning| report::warning(&warning.to_string()));
    if args.quiet {
        return Ok(ExitStatus::Success);
    }
    if args.services {
        loaded.stack.services.keys().for_each(|name| report::data(&format!("{name}\n")));
        return Ok(ExitStatus::Success);
    }
    let json =
        serde_json::to_string_pretty(&loaded.stack).map_err(|error| Error::new(format!("write the model: {error}")))?;
    report::data(&format!("{json}\n"));
    Ok(ExitStatus::Success)
}
