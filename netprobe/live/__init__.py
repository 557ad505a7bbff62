"""The live half: it only makes a capture. Connections are made and everything about them is recorded into an evidence file;
the verdict is then what `replay` says of that file."""
