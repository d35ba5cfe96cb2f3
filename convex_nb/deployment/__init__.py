"""One object that wires the layers below: open, push, call, subscribe, import, close."""
