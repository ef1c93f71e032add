use percent_encoding::percent_decode_str;

use super::response::ApiError;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET /v2/health/live`
    Live,
    /// `GET /v2/health/ready`
    Ready,
    /// `GET /v2`
    ServerMetadata,
    /// `GET /v1/models/{model}`, `GET /v2/models/{model}[/versions/{version}]/ready`
    ModelReady(ModelRef),
    /// `GET /v2/models/{model}[/versions/{version}]`
    ModelMetadata(ModelRef),
    /// `POST /v1/models/{model}:predict`
    Predict(ModelRef),
    /// `POST /v2/models/{model}[/versions/{version}]/infer`
    Infer(ModelRef),
}

/// The model that a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ModelRef {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

impl Route {
    /// Finds the route of a request.
    ///
    /// # Errors
    /// 404 for a path that there is not, 405 for another method than the path's.
    pub(super) fn find(method: &str, path: &str) -> Result<Self, ApiError> {
        let path = percent_decode_str(path).decode_utf8_lossy();
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let model = |name: &str, version: Option<&str>| ModelRef {
            name: name.into(),
            version: version.map(str::to_owned),
        };
        let route = match segments.as_slice() {
            ["v1", "models", name] => match name.strip_suffix(":predict") {
                Some(name) => Self::Predict(model(name, None)),
                None => Self::ModelReady(model(name, None)),
            },
            ["v2"] | ["v2", ""] => Self::ServerMetadata,
            ["v2", "health", "live"] => Self::Live,
            ["v2", "health", "ready"] => Self::Ready,
            ["v2", "models", name] => Self::ModelMetadata(model(name, None)),
            ["v2", "models", name, "ready"] => Self::ModelReady(model(name, None)),
            ["v2", "models", name, "infer"] => Self::Infer(model(name, None)),
            ["v2", "models", name, "versions", version] => Self::ModelMetadata(model(name, Some(version))),
            ["v2", "models", name, "versions", version, "ready"] => Self::ModelReady(model(name, Some(version))),
            ["v2", "models", name, "versions", version, "infer"] => Self::Infer(model(name, Some(version))),
            _ => {
                return Err(ApiError::not_found(
                    "there is nothing at this path; try POST /v1/models/{model}:predict or GET /v2/models/{model}"
                        .into(),
                ));
            }
        };
        let wanted = match route {
            Self::Predict(_) | Self::Infer(_) => "POST",
            _ => "GET",
        };
        if method == wanted {
            Ok(route)
        } else {
            Err(ApiError::method_not_allowed(wanted))
        }
    }

    pub(super) fn model(&self) -> Option<&ModelRef> {
        match self {
            Self::ModelReady(model) | Self::ModelMetadata(model) | Self::Predict(model) | Self::Infer(model) => {
                Some(model)
            }
            Self::Live | Self::Ready | Self::ServerMetadata => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(method: &str, path: &str) -> Result<Route, u16> {
        Route::find(method, path).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn the_paths_of_both_protocols() {
        let model = |version: Option<&str>| ModelRef {
            name: "m".into(),
            version: version.map(str::to_owned),
        };
        for (method, path, route) in [
            ("POST", "/v1/models/m:predict", Route::Predict(model(None))),
            ("POST", "/v1/models/m%3Apredict", Route::Predict(model(None))),
            ("GET", "/v1/models/m", Route::ModelReady(model(None))),
            ("GET", "/v2", Route::ServerMetadata),
            ("GET", "/v2/health/live", Route::Live),
            ("GET", "/v2/health/ready", Route::Ready),
            ("GET", "/v2/models/m", Route::ModelMetadata(model(None))),
            ("GET", "/v2/models/m/ready", Route::ModelReady(model(None))),
            ("GET", "/v2/models/m/versions/2", Route::ModelMetadata(model(Some("2")))),
            ("POST", "/v2/models/m/infer", Route::Infer(model(None))),
            ("POST", "/v2/models/m/versions/2/infer", Route::Infer(model(Some("2")))),
        ] {
            assert_eq!(find(method, path), Ok(route), "{path}");
        }
        assert_eq!(find("GET", "/v1/models/m:predict"), Err(405));
        assert_eq!(find("POST", "/v2/models/m"), Err(405));
        for path in ["", "/", "/v1", "/v3/models/m", "/v2/models/m/explain", "/v2/health"] {
            assert_eq!(find("GET", path), Err(404), "{path}");
        }
    }
}
