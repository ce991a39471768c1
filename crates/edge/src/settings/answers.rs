//! What the edge adds to answers, and says itself.

use std::path::PathBuf;

use clap::Args;

use crate::client::Net;

/// Of the answers.
#[derive(Debug, Clone, Args)]
pub struct AnswerSettings {
    /// A folder with `maintenance.html` and `unavailable.html`, which are shown instead of our pages. A change is seen
    /// within seconds.
    #[arg(long, env = "EDGE_PAGES")]
    pub pages: Option<PathBuf>,
    /// Networks whose requests pass during maintenance, such as 192.0.2.7 or 10.0.0.0/8: who works on it has to see it.
    #[arg(long, env = "EDGE_MAINTENANCE_ALLOW", value_delimiter = ',')]
    pub maintenance_allow: Vec<Net>,
}
