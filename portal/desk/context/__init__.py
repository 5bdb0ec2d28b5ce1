"""What the pages of the desk share: the services behind them, the step that is meant, and refusals."""
