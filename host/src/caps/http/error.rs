//! Why a guest gets no response, and how it is told.

use crate::egress::EgressError;
use crate::wit::cofferdam::mcp::http as wit;
use wasmtime_wasi_http::Error as WasiError;

/// Why a guest gets no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The grant does not have it.
    #[error("{0}")]
    Denied(String),
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A part of the request is too large.
    #[error("{0} is larger than {1}")]
    TooLarge(&'static str, usize),
    /// Too much at the same time, or in all.
    #[error("quota: {0}")]
    Quota(&'static str),
    /// A header of the host's cannot be put in.
    #[error("a header that the host puts in cannot be made; the host's log says why")]
    Secret,
    /// There is no response.
    #[error("{0}")]
    Egress(#[from] EgressError),
}

impl From<HttpError> for wit::Error {
    fn from(error: HttpError) -> Self {
        let text = error.to_string();
        match error {
            HttpError::Denied(_) | HttpError::Egress(EgressError::Refused) => Self::Denied(text),
            HttpError::Invalid(_) | HttpError::Egress(EgressError::RequestBody) => Self::Invalid(text),
            HttpError::Egress(EgressError::Timeout(..)) => Self::Timeout(text),
            HttpError::TooLarge(..) | HttpError::Egress(EgressError::TooLarge(..)) => Self::TooLarge(text),
            HttpError::Quota(_) | HttpError::Secret | HttpError::Egress(_) => Self::Unavailable(text),
        }
    }
}

impl From<HttpError> for WasiError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(_) => Self::HttpRequestDenied,
            HttpError::Invalid(_) => Self::HttpRequestUriInvalid,
            HttpError::TooLarge(_, bytes) => Self::HttpRequestBodySize(u64::try_from(bytes).ok()),
            HttpError::Quota(_) => Self::ConnectionLimitReached,
            HttpError::Secret => Self::ConfigurationError,
            HttpError::Egress(error) => match error {
                EgressError::Refused => Self::DestinationIpProhibited,
                EgressError::NoAddress => Self::DnsError { rcode: None, info_code: None },
                EgressError::Connect(_) => Self::ConnectionRefused,
                EgressError::Tls(_) => Self::TlsProtocolError,
                EgressError::Broken(_) => Self::HttpProtocolError,
                EgressError::Timeout(..) if error.is_before_request() => Self::ConnectionTimeout,
                EgressError::Timeout(..) => Self::HttpResponseTimeout,
                EgressError::TooLarge(_, bytes) => Self::HttpResponseBodySize(u64::try_from(bytes).ok()),
                EgressError::RequestBody => Self::HttpRequestBodySize(None),
            },
        }
    }
}
