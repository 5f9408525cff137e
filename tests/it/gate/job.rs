//! Gate `kubernetes-job`.
