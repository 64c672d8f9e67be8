//! What the server needs of the program.

use std::path::Path;

use crate::collect::Meter;
use crate::collect::cluster::Held;
use crate::error::Error;
use crate::report::Report;

/// The work of `diag analyze`. Each call waits until it is done.
pub trait Desk: Send + Sync + 'static {
    /// Diagnoses what was posted.
    ///
    /// # Errors
    /// There is nothing in it to read.
    fn posted(&self, held: Held, meter: &Meter) -> Result<Report, Error>;
    /// Diagnoses a case.
    ///
    /// # Errors
    /// It can't be read.
    fn case(&self, root: &Path, meter: &Meter) -> Result<Report, Error>;
}
