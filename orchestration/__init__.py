"""Orders components into a pipeline and runs it. Knows graphs and runners; never imports a component's code by name."""
