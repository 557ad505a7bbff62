"""Small captures of known failures, recorded in networks of namespaces; samples.toml tells what was done in each."""
