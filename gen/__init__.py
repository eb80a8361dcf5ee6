"""The generator: spec/*.spec -> load -> validate -> model -> check -> lower -> render."""

VERSION = "0.1.0"
