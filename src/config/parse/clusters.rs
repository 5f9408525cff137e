//! How a cluster is reached.

use crate::config::raw::Fields;
use crate::config::{ClusterAccess, Eks};

/// What the keys `kubeconfig`, `context` and `eks` say.
pub(super) fn access(fields: &Fields) -> ClusterAccess {
    ClusterAccess {
        kubeconfig: fields.table("kubeconfig").and_then(|table| table.text("file")).map(Into::into),
        context: fields.text("context"),
        eks: fields.table("eks").and_then(eks),
    }
}

fn eks(fields: &Fields) -> Option<Eks> {
    Some(Eks {
        cluster: fields.text("cluster")?,
        region: fields.text("region")?,
        role_arn: fields.text("role_arn"),
    })
}
