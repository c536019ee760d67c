"""What Sluice needs in an AWS account: the stack, the roles that follow from the graph, and what deploys them."""
