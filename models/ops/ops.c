#include "models/ops.h"
#include "models/ops/kernels.h"

const struct op *const ops[] = {
        &embedding_op, &linear_op, &attention_op, &attend_op, &residual_norm_op, &loss_op, NULL};
