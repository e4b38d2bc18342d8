//! The crate's one error type. A user's mistake is an `Err` that names the place and the cure;
//! a broken invariant is a panic and never comes through here.

use std::path::{Path, PathBuf};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong and is not a bug in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter answered, or none matches the request.
    #[error("no usable GPU adapter: {0}")]
    NoAdapter(String),
    /// The device refused a request.
    #[error("GPU device: {0}")]
    Device(String),
    /// The driver dropped the device; nothing on it can be used any more.
    #[error("the GPU device was lost: {0}")]
    DeviceLost(String),
    /// An allocation failed.
    #[error("out of GPU memory: {0}")]
    OutOfMemory(String),
    /// A plan needs more than the adapter has.
    #[error("the plan does not fit: {what} needs {need} bytes, the adapter allows {limit} ({over} bytes too many); {cure}", over = need - limit)]
    DoesNotFit {
        /// The tensor or pool that is too large.
        what: String,
        /// Bytes needed.
        need: u64,
        /// Bytes allowed.
        limit: u64,
        /// What the user can change.
        cure: String,
    },
    /// An op was given inputs it cannot work on.
    #[error("{op} '{node}': {what}: expected {expected}, got {got}")]
    Shape {
        /// Name of the op, e.g. `conv2d`.
        op: String,
        /// Name of the node in the graph.
        node: String,
        /// Which input or attribute.
        what: String,
        /// What would be accepted.
        expected: String,
        /// What came.
        got: String,
    },
    /// An attribute has a value the op does not know.
    #[error("{op}: {message}")]
    Attribute {
        /// Name of the op.
        op: String,
        /// What is wrong and what is accepted.
        message: String,
    },
    /// A gradient was asked of an op that has none.
    #[error("{op} '{node}' has no gradient: {why}")]
    NotDifferentiable {
        /// Name of the op.
        op: String,
        /// Name of the node.
        node: String,
        /// The reason.
        why: String,
    },
    /// A graph was put together wrongly: unknown name, missing input, twice the same parameter.
    #[error("graph: {0}")]
    Graph(String),
    /// A file or folder cannot be used.
    #[error("{path}: {message}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it and what would help.
        message: String,
    },
    /// A picture that does not decode. Training leaves it out with a counted warning, inference refuses.
    #[error("{path}: {message}", path = path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what would help.
        message: String,
    },
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// A value of the command line or of a configuration is not usable.
    #[error("{0}")]
    Usage(String),
    /// A tensor holds NaN or infinity.
    #[error("non-finite values: {0}")]
    NonFinite(String),
}

impl Error {
    /// A problem with the contents of `path`.
    pub fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// A picture at `path` that does not decode.
    pub fn picture(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Picture { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// A failed system call on `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }
}
