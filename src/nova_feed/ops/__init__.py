"""What the person on call needs: metrics (name, meaning, remedy), health, logs."""
