"""Scale-free rules and others on quadratics of growing condition number, diagonal and rotated.

Theorem (recalled by this project's specification; not the paper's words). Let f be twice differentiable with a
minimiser x*, and let f~ range over the functions with the same minimiser and the Hessian Lambda * Hess f, Lambda
diagonal and positive. A scale-free algorithm makes the same iterates on all of them, so any dependence of its
convergence on the condition number is on the smallest one in the family. For a diagonal quadratic that smallest number is 1.
For a rotated Hessian only the best diagonal rescaling is reached, and that is not much: see `unit_diagonal_condition`.

The paper's settings are not known; these are our own, all in float64 and without noise:

- f(x) = x^T H x / 2 in 10 dimensions, H with eigenvalues from 1 / condition to 1, equally spaced on a log axis, along the
  coordinate axes or along random ones (`hessians.py`);
- the start is a fixed random sign in each coordinate, and the accuracy |x_t| / |x_0| <= 1e-3: the distance to the minimiser and
  not f, whose flat directions hardly count however far they are from done;
- "steps" is the first step from which the accuracy holds to the end;
- gradient descent has its best step 2 / (L + mu), heavy ball Polyak's best step and momentum. Both are linear
  recurrences in each eigendirection, so their counts follow from closed forms, without a cap;
- all other rules choose, for each problem apart, the best of 28 schedules lr_t = alpha * 1e-6^(t / horizon) with alpha in
  {1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01} and horizon in {50, 200, 800, 3200} steps. No grid, no knowledge of L and mu
  would be a hindsight that gradient descent has and they have not.
"""
