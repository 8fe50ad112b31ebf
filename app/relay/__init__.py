"""The model routes: admitted, relayed and billed, with as little in their way as can be."""
