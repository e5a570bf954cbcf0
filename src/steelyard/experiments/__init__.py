"""Claims about methods, measured: proofs, studies, benchmarks, and the harness that they share."""
