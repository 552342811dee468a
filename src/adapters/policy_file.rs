//! A trained policy out of a checkpoint's file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use conclave_domain::policy::network::Policy;
use conclave_trainer::checkpoint::Problem;
use conclave_trainer::export::read_policy;
use conclave_trainer::session::SessionError;

use crate::cli::error::{CliError, ExitCode};

/// Reads the policy that trades; refuses one that was trained with other columns or actions, or whose
/// networks are of another layout, and names what differs.
///
/// # Errors
/// [`ExitCode::NotFound`] when there is no such file, [`ExitCode::Data`] when it is damaged or belongs to
/// something else.
pub(crate) fn read(path: &Path) -> Result<Arc<Policy>, CliError> {
    let refused = |error: SessionError| {
        let code = if is_absent(&error) { ExitCode::NotFound } else { ExitCode::Data };
        let text = format!("{} is no policy that can trade here", path.display());
        CliError::new(code, text).caused_by(error)
    };
    Ok(Arc::new(read_policy(path).map_err(refused)?.policy))
}

/// Whether it is not there at all.
fn is_absent(error: &SessionError) -> bool {
    let SessionError::Checkpoint(error) = error else { return false };
    matches!(&error.problem, Problem::Disk { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
