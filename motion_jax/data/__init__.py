"""Files -> clips -> normalised frames -> windows."""
