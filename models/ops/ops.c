#include "models/ops.h"
#include "models/ops/kernels.h"

const struct op *const ops[] = {&embedding_op, &linear_op, &convolution_op, &attention_op, &attention_mean_op,
        &guide_op, &attend_op, &weight_norm_op, &residual_norm_op, &loss_op, &recurrent_op, &cell_op,
        &stepwise_op, &stepwise_start_op, &beside_op, &part_op, &rows_op, &mean_op, &join_op, &sum_op,
        &tanh_op, &sigmoid_op, NULL};
