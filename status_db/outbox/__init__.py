"""The outboxes: what people are notified of, entered in the transaction of its cause and delivered later."""
