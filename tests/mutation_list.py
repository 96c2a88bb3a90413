"""What `mutations.py` breaks, and the tests that ought to notice it.

A name says what is wrong afterwards. `old` stands exactly once in the file.
The tests are the narrowest that are known to notice.
"""
from typing import NamedTuple, Tuple


class Mutation(NamedTuple):
    name: str
    file: str  # below interclr_plugin/
    old: str
    new: str
    tests: Tuple[str, ...]


def _of(folder):
    """Shorten entries whose tests are in one folder."""

    def make(name, file, old, new, *tests):
        return Mutation(name, file, old, new,
                        tuple(f'tests/{folder}{test}' for test in tests))

    return make


_inter = _of('inter_image/')
_top = _of('')

MUTATIONS = [
    # the six that once passed all tests
    _top('the stock losses are never multiplied by intra_weight',
         'algorithms/inter_clr.py',
         '_weigh(name, value, intra_weight)', '_weigh(name, value, 1.0)',
         'test_runs.py::test_the_stock_losses_have_their_weight'),
    _top('intra_weight counts in warm-up',
         'algorithms/inter_clr.py',
         'intra_weight, inter_weight = 1.0, 0.0', 'inter_weight = 0.0',
         'test_runs.py::test_the_stock_losses_have_their_weight'),
    _inter('the first clustering is not told the geometry',
           'inter_image/pseudo_labels.py',
           '            geometry=self.geometry,\n', '',
           'test_label_updaters.py::'
           'test_the_first_clustering_has_the_geometry_too'),
    _inter('a row is written ahead of its removal from the sums',
           'inter_image/clustered_bank.py',
           """\
        if self._sums is not None:
            self._sums.add(index, -once.long(), self.features, self.labels)
        if rows is not None:
            self.features[index] = rows.to(self.features.dtype)
""", """\
        if rows is not None:
            self.features[index] = rows.to(self.features.dtype)
        if self._sums is not None:
            self._sums.add(index, -once.long(), self.features, self.labels)
""", 'test_clustered_bank.py::'
           'test_any_writes_keep_what_follows_from_them'),
    _top('the order of files does not count in the fingerprint',
         'datasets/fingerprint.py',
         """\
    for position in range(len(dataset)):
        entry = dataset.get_data_info(position)
""", """\
    for entry in sorted(
            map(dataset.get_data_info, range(len(dataset))), key=str):
""", 'hooks/test_resume.py::test_the_order_of_files_counts'),
    _top("an extraction does not put NumPy's random state back",
         'datasets/extraction.py',
         'np.random.set_state(numpy)', 'pass',
         'datasets/test_extraction.py::'
         'test_all_random_states_stay_as_they_were'),

    # the loss
    _inter('the margin has the wrong sign',
           'inter_image/margin_nce_loss.py',
           "'cosine': torch.sub", "'cosine': torch.add",
           'test_margin_nce_loss.py::test_the_sign_of_the_margin',
           'test_margin_nce_loss.py::test_loss_and_gradient'),
    _inter('similarities are multiplied by the temperature',
           'inter_image/margin_nce_loss.py',
           'logits = logits / self.temperature',
           'logits = logits * self.temperature',
           'test_margin_nce_loss.py::test_loss_and_gradient'),
    _inter('the arc margin turns back beyond its angle',
           'inter_image/margin_nce_loss.py',
           'return torch.where(beyond, line, turned)', 'return turned',
           'test_margin_nce_loss.py::test_the_arc_margin_rises_everywhere'),
    _inter('slots without a negative count',
           'inter_image/margin_nce_loss.py',
           'logits.masked_fill(~slots, -math.inf)',
           'logits.masked_fill(~slots, 0.)',
           'test_margin_nce_loss.py::'
           'test_masked_slots_do_nothing_whatever_they_hold'),
    _inter('small gradients are rounded before the loss scale saves them',
           'inter_image/contrast.py',
           '(upstream * gradient).to(ctx.dtype)',
           '(upstream.to(ctx.dtype) * gradient.to(ctx.dtype))',
           'test_branch.py::test_a_loss_scale_saves_small_gradients',
           'test_branch.py::test_a_loss_scale_beyond_half_precision'),
    _inter('each part of a batch weighs as much as the whole',
           'inter_image/contrast.py',
           'loss = loss * (len(leaf) / len(query))', 'loss = loss * 1',
           'test_branch.py::test_parts_of_a_batch_give_the_same_loss'),

    # the order of a step
    _inter('labels come from the rows that a batch replaces',
           'inter_image/branch.py',
           'self.labels.assign(self.bank, safe, rows)',
           'self.labels.assign(self.bank, safe, self.bank.features[safe])',
           'test_branch.py::test_labels_come_after_the_features'),
    _inter('a batch is stored before its loss is computed',
           'inter_image/branch.py',
           """\
        with torch.autocast(query.device.type, enabled=False):
            loss = contrast(query, safe, self.bank, self.sampler, self.loss,
                            self.queries_at_once)
        return loss, self.update(key, index, query)
""", """\
        done = self.update(key, index, query)
        with torch.autocast(query.device.type, enabled=False):
            loss = contrast(query, safe, self.bank, self.sampler, self.loss,
                            self.queries_at_once)
        return loss, done
""", 'test_branch.py::test_the_loss_reads_the_bank_before_it_is_written'),
    _inter('a repeated image keeps any of its keys',
           'inter_image/branch.py',
           'first = first_occurrence(index)',
           'first = torch.arange(len(index), device=index.device)',
           'test_branch.py::test_a_repeated_image_keeps_its_first_key'),
    _inter('a key is stored although its query is NaN',
           'inter_image/branch.py',
           'good &= query.isfinite().all(1)', 'pass',
           'test_branch.py::test_bad_input_stores_nothing_and_names_the_step'),
    _inter('the later one of two bad steps is named',
           'inter_image/faults.py',
           'self._first >= 0, self._first, fault)',
           'good, self._first, fault)',
           'test_branch.py::test_bad_input_stores_nothing_and_names_the_step'),

    # the bank
    _inter('the momentum weighs the old row',
           'inter_image/clustered_bank.py',
           'torch.lerp(old, key, self.momentum)',
           'torch.lerp(key, old, self.momentum)',
           'test_clustered_bank.py::test_new_rows_equal_the_formula'),
    _inter('nothing is taken out of the running sums',
           'inter_image/clustered_bank.py',
           'self._sums.add(index, -once.long(), self.features, self.labels)',
           'pass',
           'test_clustered_bank.py::'
           'test_any_writes_keep_what_follows_from_them'),
    _inter('the sums are made anew at each write',
           'inter_image/clustered_bank.py',
           """\
            self._sums.add(index, once.long(), self.features, self.labels)
""", """\
            self._sums = None
""", 'test_branch.py::test_sums_are_made_once'),
    _inter('an image that stands twice in a write counts twice in the sums',
           'inter_image/clustered_bank.py',
           'once = is_first_occurrence(index)',
           'once = torch.ones_like(index, dtype=torch.bool)',
           'test_clustered_bank.py::'
           'test_any_writes_keep_what_follows_from_them',
           'test_branch.py::test_a_repeated_image_keeps_its_first_key'),
    _inter('members do not hear of writes',
           'inter_image/clustered_bank.py',
           'self._members.record(index, before, self.labels)', 'pass',
           'test_clustered_bank.py::'
           'test_any_writes_keep_what_follows_from_them'),
    _inter('a loaded bank counts its steps from 0',
           'inter_image/clustered_bank.py',
           'self._start(seed, step, STATUSES[status])',
           'self._start(seed, 0, STATUSES[status])',
           'test_clustered_bank.py::test_the_state_loads_itself',
           'test_branch.py::test_a_resumed_branch_goes_on_to_the_bit'),
    _inter('a cluster without members gets a centroid of zeros',
           'inter_image/running_means.py',
           'sizes > 0, means.to(centroids)', 'sizes >= 0, means.to(centroids)',
           'test_running_means.py::test_they_are_the_means'),
    _inter('an image may be its own positive where it has a companion',
           'inter_image/members.py',
           'skip = size > 1', 'skip = size > 2',
           'test_members.py::test_nobody_but_members_is_drawn',
           'test_pair_sampler.py::test_any_draw_keeps_the_rules'),
    _inter('images that left their cluster since the sorting are listed',
           'inter_image/members.py',
           'keys[~torch.isin(keys % total, images)]', 'keys',
           'test_members.py::test_the_members_of_some_clusters'),

    # pairs
    _inter('the semi-hard pool is of the least similar images',
           'inter_image/pair_sampler.py',
           'choose(similarity, count, largest)',
           'choose(similarity, count, not largest)',
           'test_pair_sampler.py::test_any_draw_keeps_the_rules'),
    _inter("images with the query's label may be negatives",
           'inter_image/pair_sampler.py',
           'similarity.masked_fill_(same, -_BEYOND if largest else _BEYOND)',
           'pass',
           'test_pair_sampler.py::test_any_draw_keeps_the_rules'),
    _inter("positives='others' draws the query's own row",
           'inter_image/pair_sampler.py',
           "exclude=index if self.positives == 'others' else None",
           'exclude=None',
           'test_pair_sampler.py::test_positives_are_uniform_over_the_cluster',
           'test_pair_sampler.py::test_any_draw_keeps_the_rules'),
    _inter('the random strategy takes the first part of the data set',
           'inter_image/pair_sampler.py',
           'draw_subset(len(labels), count, generator)[order]',
           'draw_subset(len(labels), count, generator).sort().values',
           'test_pair_sampler.py::test_a_draw_is_uniform'),
    _inter('a mask in the exact pool is forgotten',
           'inter_image/pair_sampler.py',
           'random = random.masked_fill(same.gather(1, pool), -1)',
           'random = random.expand(len(pool), -1)',
           'test_pair_sampler.py::test_any_draw_keeps_the_rules'),
    _inter('half as many candidates are drawn',
           'inter_image/pair_sampler.py',
           'count = round(self.num_negatives / self.pool_fraction)',
           'count = round(self.num_negatives / self.pool_fraction / 2)',
           'test_candidate_pool.py'),
    _inter("the gradient of similarities is another query's",
           'inter_image/similarities.py',
           'return weights @ rows, None',
           'return weights.roll(1, 0) @ rows, None',
           'test_similarities.py::'
           'test_the_gradient_is_that_of_the_products'),
    _inter("the gradient of few similarities is another query's",
           'inter_image/similarities.py',
           'per_sample_weights=gradient)',
           'per_sample_weights=gradient.roll(1, 0))',
           'test_similarities.py::'
           'test_the_gradient_is_that_of_the_products'),
    _inter('the choice of a batch leaves out a column',
           'inter_image/similarities.py',
           'place = width - count if', 'place = width - count - 1 if',
           'test_similarities.py::test_the_choice_is_that_of_topk'),
    _inter('each part of a batch gets the choice of the first',
           'inter_image/similarities.py',
           'np.argpartition(scores[part]', 'np.argpartition(scores[:rows]',
           'test_similarities.py::test_a_batch_is_ranked_in_parts'),

    # random numbers
    _inter('every process draws the same',
           'inter_image/random_stream.py',
           '1 + dist.get_rank()', '1',
           'test_random_stream.py::'
           'test_processes_draw_differently_but_share_one_stream'),
    _inter('every step draws the same',
           'inter_image/random_stream.py',
           '(self.seed, self.step, stream)', '(self.seed, 0, stream)',
           'test_random_stream.py::test_seed_and_step_alone_decide'),
    _inter('a subset is cut at the same places each time',
           'inter_image/random_stream.py',
           '(random * length).long() + turn)', '(random * length).long())',
           'test_pair_sampler.py::test_a_subset_is_uniform'),

    # clusters
    _inter('a cluster of just the least size is dissolved',
           'inter_image/label_updaters.py',
           'bank.sums.sizes < max(', 'bank.sums.sizes <= max(',
           'test_label_updaters.py::'
           'test_small_clusters_are_dissolved_and_refilled',
           'test_label_updaters.py::test_a_repaired_state_stays_as_it_is'),
    _inter('members of a small cluster go to another small one',
           'inter_image/label_updaters.py',
           'allowed=~small', 'allowed=None',
           'test_label_updaters.py::'
           'test_small_clusters_are_dissolved_and_refilled',
           'test_label_updaters.py::test_any_state_is_repaired'),
    _inter('a repair leaves stale centroids where members arrived',
           'inter_image/label_updaters.py',
           'torch.cat((nearest, pieces)).unique()', 'pieces.unique()',
           'test_label_updaters.py::'
           'test_small_clusters_are_dissolved_and_refilled'),
    _inter('centroids move a step late',
           'inter_image/label_updaters.py',
           'if step % self.centroid_interval == 0',
           'if step % self.centroid_interval == 1',
           'test_label_updaters.py::test_after_step_keeps_the_cadence'),
    _inter('k-means leaves a cluster empty',
           'inter_image/kmeans.py',
           'labels[rows] = numbers\n', 'pass\n',
           'test_kmeans.py::test_fit_leaves_no_cluster_empty'),
    _inter('means are computed ahead of the repair of empty clusters',
           'inter_image/kmeans.py',
           """\
        labels[rows] = numbers
        centroids = means_of_members(seen, labels, centroids)
""", """\
        centroids = means_of_members(seen, labels, centroids)
        labels[rows] = numbers
""", 'test_kmeans.py::test_fit_equals_a_loop_in_either_geometry',
           'test_kmeans.py::test_fit_leaves_no_cluster_empty'),
    _inter('plain k-means ignores the lengths of centroids',
           'inter_image/kmeans.py',
           'bias = None if spherical else -0.5 * centroids.square().sum(1)',
           'bias = None',
           'test_kmeans.py::test_the_nearest_centroid'),
    _inter('a fold that is not full may win',
           'inter_image/kmeans.py',
           'products[:, count:] = -torch.inf', 'products[:, count:] = 0',
           'test_kmeans.py::test_assign_takes_the_largest_product',
           'test_kmeans.py::test_assign_keeps_to_the_allowed'),
    _inter('the smallest pieces are cut first',
           'inter_image/splitting.py',
           'order = torch.argsort(sizes, stable=True)',
           'order = torch.argsort(-sizes, stable=True)',
           'test_kmeans.py::'
           'test_apportion_makes_the_smallest_piece_as_large_as_can_be',
           'test_kmeans.py::test_apportion_cuts_the_largest_first'),

    # hooks
    _top('warm-up lasts an epoch longer',
         'hooks/memory_bank_hook.py',
         'epoch < self.warmup_epochs', 'epoch <= self.warmup_epochs',
         'test_runs.py::test_warm_up_is_the_stock_algorithm'),
    _top("the bank's own clustering comes a step late",
         'hooks/memory_bank_hook.py',
         'branch.bank.random.step >= steps_per_pass(runner)',
         'branch.bank.random.step > steps_per_pass(runner)',
         'test_labels_in_runs.py::test_the_bank_s_own_first_clustering'),
    _top('offline labels are renewed an epoch early',
         'inter_image/label_updaters.py',
         'return epoch % self.interval == 0',
         'return (epoch + 1) % self.interval == 0',
         'test_labels_in_runs.py::'
         'test_offline_labels_move_between_epochs_alone'),
    _top('offline labels are renewed after the last epoch',
         'hooks/memory_bank_hook.py',
         'steps < runner.max_iters', 'steps <= runner.max_iters',
         'test_labels_in_runs.py::'
         'test_offline_labels_move_between_epochs_alone'),
    _top("a new run keeps the bank of load_from's",
         'hooks/memory_bank_hook.py',
         'del state[name]', 'pass',
         'test_runs.py::test_load_from_starts_a_bank_of_its_own'),
    _top('other images are not noticed at a resume',
         'hooks/bank_resume.py',
         'if None not in (before, now) and before != now:', 'if False:',
         'test_faults.py::test_changed_digits_are_noticed'),
    _top("an epoch of an InfiniteSampler is each process's own",
         'runner.py',
         '-(-len(loader) // shares)', 'len(loader)',
         'test_runner.py::test_steps_of_a_pass'),
    _top('averaged models keep a bank of their own',
         'hooks/bank_resume.py',
         'averaged.module.inter_image.bank = branch.bank', 'pass',
         'hooks/test_resume.py::test_averaged_models_share_the_live_bank'),
    _top("a resumed run's sampler has a seed of its own",
         'hooks/exact_resume_hook.py',
         'runner.train_dataloader.sampler.seed = seed', 'pass',
         'hooks/test_exact_resume.py::test_the_sampler_s_seed_is_the_run_s'),
    _top('a loss that is NaN goes on',
         'inter_image/faults.py',
         'if bad:\n', 'if False:\n',
         'test_runs.py::test_a_nan_loss_stops_the_run_before_it_is_saved'),

    # defects that were met in real runs
    _top('in a run on two processes a pass lasts two',
         'runner.py',
         '-(-len(loader) // shares)', 'len(loader)',
         'test_two_processes.py::'
         'test_passes_are_counted_for_all_processes'),
    _top('the other process does not hear of a lost loss',
         'inter_image/faults.py',
         "dist.all_reduce(found, 'max')", 'pass',
         'test_two_processes.py::test_a_lost_loss_on_one_process_ends_both'),
    _top('a shorter batch is not filled up',
         'distributed.py',
         'missing = max(0, height - len(rows))', 'missing = 0',
         'test_two_processes.py::test_a_last_batch_of_unequal_size'),
    _top('a bank of no size refuses what it is to load',
         'inter_image/clustered_bank.py',
         "labels=given.get('features', self.features).shape[:1]",
         'labels=self.features.shape[:1]',
         'hooks/test_resume.py::test_a_flexible_runner_resumes'),
    _top('entries without a file have pixels, or else',
         'datasets/fingerprint.py',
         "elif 'img' in entry:", 'elif True:',
         'hooks/test_resume.py::test_entries_with_neither_file_nor_pixels'),
    _top("the first data set's fingerprint stays when another is accepted",
         'hooks/memory_bank_hook.py',
         "checkpoint['meta'][KEY] = self._images",
         "checkpoint['meta'][KEY] = self._restored or self._images",
         'hooks/test_resume.py::test_images_that_were_accepted_stay_accepted'),
    _top('offline labels are never renewed where a run counts steps',
         'hooks/memory_bank_hook.py',
         'if not isinstance(runner.train_loop, EpochBasedTrainLoop):',
         'if False:',
         'test_labels_in_runs.py::'
         'test_offline_labels_move_where_a_run_counts_steps'),

    # algorithms
    _top("SimCLR's views are swapped",
         'algorithms/projections.py',
         "key=lambda calls, size: calls['neck'][0][1::2]",
         "key=lambda calls, size: calls['neck'][0][0::2]",
         'algorithms/test_every_algorithm.py::'
         'test_each_row_holds_its_image_s_key'
         '[mmpretrain-interclr-simclr]'),
    _top("a Siamese network's key is the query",
         'algorithms/projections.py',
         'key=_second_call, second=_second_call)',
         'key=_first_call, second=_second_call)',
         'algorithms/test_every_algorithm.py::'
         'test_each_row_holds_its_image_s_key'
         '[mmpretrain-interclr-simsiam]'),
    _top("MoCo's query and key are swapped",
         'algorithms/projections.py',
         """\
    query=_first_call,
    key=lambda calls, size: calls['_dequeue_and_enqueue'][0],
""", """\
    query=lambda calls, size: calls['_dequeue_and_enqueue'][0],
    key=_first_call,
""", 'test_runs.py::test_each_row_holds_its_image_s_key'),
    _top('no gradient reaches the network',
         'algorithms/inter_clr.py',
         'query = reader.query(calls, size)',
         'query = reader.query(calls, size).detach().requires_grad_()',
         'test_runs.py::test_the_gradient_is_the_weighted_sum'),
    _top("the bank of a neck of the branch's own stores the first view",
         'algorithms/inter_clr.py',
         "views = ('second', 'first') if",
         "views = ('first', 'second') if",
         'algorithms/test_every_algorithm.py::test_a_neck_of_its_own'
         '[mmpretrain-interclr-byol-None]'),
    _top('recorded calls leave their hooks behind',
         'algorithms/projections.py',
         'stack.callback(handle.remove)', 'pass',
         'algorithms/test_projections.py'),

    # data sets, checkpoints
    _top('folder: a loader that fails names no image',
         'datasets/image_pipeline.py',
         "raise ValueError(f'{said} {ADVICE}') from error", 'raise',
         'datasets/test_image_folder.py::'
         'test_a_file_that_breaks_during_a_training'),
    _top('folder: an image that breaks ends the training all the same',
         'datasets/image_folder.py',
         'skip_bad=skip_bad and not test_mode', 'skip_bad=False',
         'datasets/test_image_folder.py::'
         'test_a_file_that_breaks_during_a_training'),
    _top('folder: joined sets count their images anew',
         'datasets/sample_index.py',
         'first += len(part)', 'first += 0',
         'datasets/test_image_folder.py::test_joined_folders_are_one_bank'),
    _top('folder: an image that is cut off passes',
         'datasets/image_files.py',
         'image.load()', 'pass',
         'datasets/test_image_folder.py::'
         'test_every_bad_file_is_named_and_no_good_one'),
    _top('folder: a link is followed wherever it leads',
         'datasets/image_files.py',
         'if inside or target in followed:', 'if inside:',
         'datasets/test_image_folder.py::test_a_link_is_followed_once'),
    _top('folder: a name that is no UTF-8 has no fingerprint',
         'datasets/fingerprint.py',
         "'utf-8', 'surrogatepass'", "'utf-8'",
         'datasets/test_image_folder.py::test_a_list_keeps_its_order_and_bytes'),
    _top('folder: a strip is resized as a whole',
         'datasets/centre_view.py',
         'if edge > _LONGEST * shorter:', 'if False:',
         'datasets/test_centre_view.py::'
         'test_the_middle_of_a_strip_is_enough'),
    _top("folder: MoCo's queue is longer than the images",
         'recipes/sizes.py',
         'min(queue_len, num_images)', 'queue_len',
         'recipes/test_recipes.py::test_sizes_fit_the_images'),
    _top('folder: the learning rate does not follow the batch',
         'recipes/sizes.py',
         'lr * batch / lr_batch', 'lr',
         'recipes/test_recipes.py::test_sizes_fit_the_images'),
    _top('folder: test images are trained on',
         'recipes/survey.py',
         'if TRAIN in first and tests else', 'if False else',
         'recipes/test_recipes.py::'
         'test_a_test_folder_stays_out_of_the_training'),
    _top('folder: no class of three images is tested',
         'recipes/survey.py',
         '1 < seen[of] == total[of] < HELD_OUT', 'False',
         'recipes/test_recipes.py::test_a_fifth_of_each_class_is_held_out'),
    _top('folder: files are written over unasked',
         'recipes/files.py',
         'if there and not overwrite:', 'if False:',
         'recipes/test_recipes.py::test_nothing_is_written_over'),
    _top('folder: the evaluations have no frozen stages of the pre-training',
         'recipes/classification.py',
         "('strides', 'stem_channels', 'base_channels')", "('strides', )",
         'recipes/test_recipes.py::test_a_folder_trains_at_the_first_try'),
    _top("a test-time view is the image's upper edge",
         'datasets/centre_view.py',
         'top = round((height - self.size) / 2)', 'top = 0',
         'datasets/test_centre_view.py::'
         'test_stock_imagenet_pipeline_gives_the_centre_crop'),
    _top('an extraction runs in training mode',
         'datasets/extraction.py',
         '    model.eval()\n', '',
         'datasets/test_extraction.py::'
         'test_the_model_is_in_eval_mode_meanwhile'),
    _top('a model stays in eval mode after an extraction',
         'datasets/extraction.py',
         'module.training = mode', 'pass',
         'evaluation/test_evaluation.py::'
         'test_training_goes_on_as_if_nothing_was_extracted'),
    _top("a process computes another one's items",
         'distributed.py',
         '(rank + 1) * num_rows // world)',
         '(rank + 1) * (num_rows // world))',
         'test_distributed.py::test_shards_cover_all_rows_once'),
    _top('a truncated file counts as a whole checkpoint',
         'checkpoints/whole_checkpoint.py',
         'if not path.is_file():\n        return False\n',
         'if path.is_file():\n        return True\n',
         'test_faults.py::test_a_named_file_that_is_none_is_told',
         'test_faults.py::test_a_checkpoint_that_was_cut_off_is_passed_over'),
    _top('a damaged file counts as a whole checkpoint',
         'checkpoints/whole_checkpoint.py',
         'archive.testzip() is None and any(', 'any(',
         'checkpoints/test_whole_checkpoint.py::'
         'test_zeros_inside_a_tensor_are_noticed'),
    _top('a failed write leaves a part of a file',
         'upstream/mmengine.py',
         "beside = f'{place}.tmp'", 'beside = place',
         'checkpoints/test_whole_checkpoint.py::'
         'test_a_file_is_there_whole_or_not_at_all'),
    _top('loader workers draw anew after a resume',
         'datasets/resumable_loader.py',
         'restore(self.states[worker_id])', 'pass',
         'datasets/test_resumable_loader.py::test_it_goes_on'),
    _top("the next batch is another worker's after a resume",
         'datasets/resumable_loader.py',
         'for _ in range(skip % (self.loader.num_workers or 1)):',
         'for _ in range(0):',
         'datasets/test_resumable_loader.py::test_it_goes_on'),
    _top('a bank of 1.0.0 counts as empty',
         'checkpoints/branch_names.py',
         'torch.tensor(2 if ready else int(filled))', 'torch.tensor(0)',
         'checkpoints/test_version_1_0_0.py::test_it_resumes'),
    _top('what is published holds the bank',
         'checkpoints/publish.py',
         'if is_stock(name)', 'if name',
         'checkpoints/test_publish.py::'
         'test_what_is_published_loads_as_the_stock_model'),

    # evaluation, report
    _top('kNN asks a neighbour more',
         'evaluation/probes.py',
         'n_neighbors=k,', 'n_neighbors=min(k + 1, len(train_x)),',
         'evaluation/test_evaluation.py::test_knn_is_the_loop_of_the_paper'),
    _top('kNN multiplies by the temperature',
         'evaluation/probes.py',
         'np.exp(-distance / temperature)', 'np.exp(-distance * temperature)',
         'evaluation/test_evaluation.py::test_knn_is_the_loop_of_the_paper',
         'evaluation/test_evaluation.py::test_knn_weights_decide'),
    _top('the penalty of the linear probe is turned over',
         'evaluation/probes.py',
         'C=1 / penalty', 'C=penalty',
         'evaluation/test_evaluation.py::'
         'test_linear_is_the_minimum_of_the_stated_loss'),
    _top('uniformity counts each image with itself',
         'monitors/measures.py',
         'kernel.fill_diagonal_(0)', 'pass',
         'monitors/test_measures.py::test_uniformity'),
    _top('images alone in their cluster have no true positive',
         'monitors/measures.py',
         'true + (sizes == 1).sum()', 'true',
         'monitors/test_measures.py::test_true_positives_and_purity'),
    _top('one of two even clusters raises an alarm',
         'monitors/alarms.py',
         'num_images * (even + allowed * (1 - even))', 'num_images * allowed',
         'monitors/test_alarms.py::test_two_even_clusters_are_fine'),
    _top('a difference within the noise counts as progress',
         'report/verdict.py',
         'if abs(gain) > noise:', 'if abs(gain) > noise / 4:',
         'report/test_report_numbers.py::test_noise_is_called_noise'),
    _top('a spike vanishes from a long curve',
         'report/scalars.py',
         'part[:, 1].min(), part[:, 1].max()',
         'part[:, 1].mean(), part[:, 1].mean()',
         'report/test_report_numbers.py::test_long_curves_keep_their_range'),
    _top("the report's nearest members are the farthest",
         'results/members.py',
         'order = torch.argsort(similarity, descending=True, stable=True)',
         'order = torch.argsort(similarity, stable=True)',
         'report/test_report.py::test_the_members_shown_are_those_of_a_loop'),
    _top("the report's negatives have the query's label",
         'report/pairs.py',
         'others = similarity.masked_fill(same, -2.)', 'others = similarity',
         'report/test_report.py::test_the_pairs_shown_are_those_of_a_loop'),
    # what other libraries are given
    _top('a network that was trained on blue first is given red first',
         'export/source.py',
         'weights[name].flip(1))', 'weights[name])',
         'export/test_export.py::test_each_kind_of_file_is_taken',
         'export/test_export.py::test_colours_stay_in_their_places'),
    _top('image files count as red first',
         'export/source.py',
         'bgr = from_files != preprocessor', 'bgr = False != preprocessor',
         'export/test_export.py::test_colours_stay_in_their_places'),
    _top('mean and deviation stay in the order of blue first',
         'export/source.py',
         'mean, std = mean.flip(0), std.flip(0)', 'pass',
         'export/test_export.py::test_colours_stay_in_their_places'),
    _top("the other library's features are never compared",
         'export/exporting.py',
         'if not difference <= _TOLERANCE * largest:', 'if False:',
         'export/test_export.py::test_an_export_that_differs_is_not_kept'),
    _top('what fails leaves its folder behind',
         'export/exporting.py',
         'shutil.rmtree(str(folder))', 'pass',
         'export/test_export.py::test_an_export_that_differs_is_not_kept'),
    _top('an ONNX file takes one size of batch',
         'export/to_onnx.py',
         "'images': {0: 'batch'},", "'images': {},",
         'export/test_export.py::test_the_preprocessing_is_in_the_model'),
    _top('timm resizes to the size of the crop',
         'export/to_timm.py',
         'size / (preprocessing.resize + 0.5)', '1.0',
         'export/test_export.py::'
         'test_a_trained_backbone_gives_the_same_features'),
    _top("transformers' pooling layer stands behind the class token",
         'export/to_huggingface.py',
         "_VIT_OUTPUT = 'last_hidden_state[:, 0]'",
         "_VIT_OUTPUT = 'last_hidden_state[:, 1]'",
         'export/test_export.py::'
         'test_a_trained_backbone_gives_the_same_features'),
    _top('a deep stem is taken for a plain one',
         'export/stock.py',
         '    deep_stem=False,\n', '',
         'export/test_export.py::test_what_has_no_counterpart_is_named'),
    _top('a file of the backbone alone fills nothing',
         'checkpoints/reading.py',
         'load_state_dict(weights or state)', 'load_state_dict(weights)',
         'evaluation/test_evaluation.py::'
         'test_evaluate_is_the_sum_of_its_parts'),
    _top("mmpretrain's retrieval runs on random weights",
         'evaluation/backbone_retriever.py',
         'self._register_load_state_dict_pre_hook(self._rename)', 'pass',
         'evaluation/test_backbone_retriever.py::test_features'),
]
