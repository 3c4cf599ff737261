"""What the screens are made of: one noun each. A widget shows what it is given and tells what the user did."""
